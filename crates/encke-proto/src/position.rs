//! Where a publication stands in its channel's log.

use crate::excerpt;
use std::{fmt, str::FromStr};

/// One life of a log. Offsets of different epochs cannot be compared.
///
/// A log that lost its memory (a restart without its data) comes back with another epoch, so that
/// a client which remembers "offset 57" is told that something is missing, and is not given the
/// new 58 as if it followed.
///
/// Written as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// An epoch of this number; whoever makes a log draws it at random.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Epoch {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits || text.is_empty() || text.len() > 16 {
            return Err(InvalidPosition::Epoch(excerpt(text)));
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_| InvalidPosition::Epoch(excerpt(text)))
    }
}

/// The position of a publication: its log's epoch and its offset there.
///
/// As a place in a log it means "this publication has been seen": what comes next has a higher
/// offset. Offset 0 is before the first publication. Written `EPOCH:OFFSET`.
///
/// ```
/// use encke_proto::Position;
///
/// let position: Position = "00c0ffee00c0ffee:41".parse()?;
/// assert_eq!(position.offset, 41);
/// assert_eq!(position.to_string(), "00c0ffee00c0ffee:41");
/// # Ok::<(), encke_proto::InvalidPosition>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The log's epoch.
    pub epoch: Epoch,
    /// The offset, which rises by one with every publication and stays below 2⁵³.
    pub offset: u64,
}

impl Position {
    /// Offsets stay below this number, so that JavaScript counts them exactly.
    pub const OFFSET_LIMIT: u64 = 1 << 53;

    /// A position in no log: whoever continues from it is told of a gap.
    pub const UNKNOWN: Self = Self {
        epoch: Epoch(0),
        offset: 0,
    };

    /// The position of this epoch and offset.
    pub const fn new(epoch: Epoch, offset: u64) -> Self {
        Self { epoch, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let Some((epoch, offset)) = text.split_once(':') else {
            return Err(InvalidPosition::Form(excerpt(text)));
        };
        let digits = !offset.is_empty() && offset.bytes().all(|byte| byte.is_ascii_digit());
        let offset = offset
            .parse()
            .ok()
            .filter(|number| digits && *number < Self::OFFSET_LIMIT)
            .ok_or_else(|| InvalidPosition::Offset(excerpt(offset)))?;
        Ok(Self::new(epoch.parse()?, offset))
    }
}

/// Why a text is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPosition {
    /// Neither `EPOCH:OFFSET` nor a position token.
    #[error("position {0:?} is neither EPOCH:OFFSET nor a position token")]
    Form(String),
    /// The part before the colon.
    #[error("epoch {0:?} is not 1 to 16 hexadecimal digits")]
    Epoch(String),
    /// The part behind the colon.
    #[error("offset {0:?} is not a whole number below 2^53")]
    Offset(String),
    /// A list of positions that does not match the channels.
    #[error("{positions} positions for {channels} channels")]
    Count {
        /// How many positions were given.
        positions: usize,
        /// How many channels there are.
        channels: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_survive_their_text_form() {
        let position = Position::new(Epoch::new(0xabc), Position::OFFSET_LIMIT - 1);
        assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn what_is_no_position_is_named() {
        for text in [
            "",
            "12",
            "zz:1",
            ":1",
            "ab:",
            "ab:-1",
            "ab:+1",
            "ab:1:2",
            "ab:9007199254740992",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
