//! The checked name of a channel.

use std::{fmt, sync::Arc};

/// The name of a channel: 1 to 255 bytes of UTF-8 without control characters, slashes welcome.
///
/// Cheap to clone. What goes by this type was checked once and is not checked again.
///
/// ```
/// use encke_proto::Channel;
///
/// let channel = Channel::new("news/sport")?;
/// assert_eq!(channel.as_str(), "news/sport");
/// assert!(Channel::new("a\nb").is_err());
/// # Ok::<(), encke_proto::InvalidChannel>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Channel(Arc<str>);

impl Channel {
    /// Longest name, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or holds a control character.
    pub fn new(name: impl AsRef<str>) -> Result<Self, InvalidChannel> {
        let name = name.as_ref();
        if name.is_empty() {
            return Err(InvalidChannel::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(InvalidChannel::TooLong { len: name.len() });
        }
        if let Some((at, character)) = name.char_indices().find(|(_, c)| c.is_control()) {
            return Err(InvalidChannel::Control { character, at });
        }
        Ok(Self(name.into()))
    }

    /// Checks a name that came as raw bytes, such as a percent-decoded path.
    ///
    /// # Errors
    ///
    /// As [`Channel::new`], and when the bytes are not UTF-8.
    pub fn from_utf8(name: &[u8]) -> Result<Self, InvalidChannel> {
        let name = str::from_utf8(name).map_err(|error| InvalidChannel::NotUtf8 {
            at: error.valid_up_to(),
        })?;
        Self::new(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::str::FromStr for Channel {
    type Err = InvalidChannel;

    fn from_str(name: &str) -> Result<Self, InvalidChannel> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Channel {
    type Error = InvalidChannel;

    fn try_from(name: &str) -> Result<Self, InvalidChannel> {
        Self::new(name)
    }
}

/// Why a name is no channel's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidChannel {
    /// There is no name.
    #[error("channel name is empty")]
    Empty,
    /// The name is longer than [`Channel::MAX_LEN`].
    #[error(
        "channel name of {len} bytes exceeds the limit of {}",
        Channel::MAX_LEN
    )]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// The name holds a control character.
    #[error("channel name has the control character {character:?} at byte {at}")]
    Control {
        /// The character.
        character: char,
        /// Where it stands.
        at: usize,
    },
    /// The name is not UTF-8.
    #[error("channel name is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// The first byte that is wrong.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_in_bytes_not_in_characters() {
        assert!(Channel::new("é".repeat(127)).is_ok());
        assert_eq!(
            Channel::new("é".repeat(128)),
            Err(InvalidChannel::TooLong { len: 256 })
        );
    }

    #[test]
    fn control_characters_are_named_and_refused() {
        for name in ["a\0", "a\n", "a\u{7f}", "a\u{85}"] {
            assert!(matches!(
                Channel::new(name),
                Err(InvalidChannel::Control { at: 1, .. })
            ));
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        assert_eq!(
            Channel::from_utf8(b"a\xff"),
            Err(InvalidChannel::NotUtf8 { at: 1 })
        );
    }
}
