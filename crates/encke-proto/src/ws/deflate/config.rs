//! What an endpoint wants of compression.

/// How messages are compressed and what is offered or accepted in the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How hard to compress.
    ///
    /// Default: 6.
    pub level: Level,
    /// Shorter messages are sent as they are.
    ///
    /// Default: 64 bytes; shorter ones hardly ever become smaller. Measured on the payload.
    pub threshold: usize,
    /// How far back what the server sends may refer.
    ///
    /// Default: 15, which is 32 KiB. A lower one saves memory at both ends.
    pub server_window: WindowBits,
    /// How far back what the client sends may refer.
    ///
    /// Default: 15. A lower one binds clients that offer to be bound.
    pub client_window: WindowBits,
    /// Whether messages of the server may refer to those before them.
    ///
    /// Default: no. It shrinks small messages that resemble each other, keeps some 250 KiB per
    /// connection, and lets an attacker who can inject text guess secrets by length.
    pub server_context_takeover: bool,
    /// Whether messages of the client may refer to those before them.
    ///
    /// Default: no. It keeps up to 32 KiB per connection.
    pub client_context_takeover: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            level: Level::default(),
            threshold: 64,
            server_window: WindowBits::MAX,
            client_window: WindowBits::MAX,
            server_context_takeover: false,
            client_context_takeover: false,
        }
    }
}

/// How far back compressed data may refer: two to this power bytes, 9 to 15.
///
/// RFC 7692 knows 8 too, which deflate libraries do not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 512 bytes.
    pub const MIN: Self = Self(9);
    /// 32 KiB.
    pub const MAX: Self = Self(15);

    /// A window of two to the power of `bits` bytes.
    ///
    /// # Errors
    ///
    /// Below 9 and above 15.
    pub const fn new(bits: u8) -> Result<Self, InvalidWindowBits> {
        match bits {
            9..=15 => Ok(Self(bits)),
            _ => Err(InvalidWindowBits(bits)),
        }
    }

    /// The power.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The window in bytes.
    pub const fn size(self) -> usize {
        1 << self.0
    }
}

impl Default for WindowBits {
    fn default() -> Self {
        Self::MAX
    }
}

/// A window that deflate does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("window of {0} bits is not within 9 and 15")]
pub struct InvalidWindowBits(u8);

/// How hard to compress: 1 is fast, 9 is small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// The level of this number.
    ///
    /// # Errors
    ///
    /// Below 1 and above 9.
    pub const fn new(level: u8) -> Result<Self, InvalidLevel> {
        match level {
            1..=9 => Ok(Self(level)),
            _ => Err(InvalidLevel(level)),
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(6)
    }
}

/// A level of compression that deflate does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("compression level {0} is not within 1 and 9")]
pub struct InvalidLevel(u8);
