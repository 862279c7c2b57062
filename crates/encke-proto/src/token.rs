//! The position token: one short text that says where a whole session stands.
//!
//! It holds one position per channel of the session, in the session's order, and a digest of the
//! channels' names, so that a token taken to other channels is noticed and answered with a gap.
//! It is opaque but not secret: it opens no channel, it only says from where on.
//!
//! Layout before base64url: a byte that tells whether the channels share an epoch, the digest, that
//! epoch, and per channel its offset, behind its own epoch where they share none.

use crate::{Channel, Epoch, InvalidPosition, Position, excerpt};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A digest of the names of a session's channels, in their order.
///
/// Not cryptographic: who forges it gets other publications of channels he may read anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding(u32);

impl Binding {
    /// The binding of these channels.
    pub fn of<'a>(channels: impl IntoIterator<Item = &'a Channel>) -> Self {
        // FNV-1a; a name ends with a byte that no UTF-8 text contains.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for channel in channels {
            for byte in channel.as_str().bytes().chain([0xff]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
        Self((hash ^ (hash >> 32)) as u32)
    }
}

const ONE_EPOCH: u8 = 1;
const EPOCH_EACH: u8 = 2;

/// Writes the token of a session whose channels stand at `positions`.
pub fn write_token<I>(binding: Binding, positions: I, out: &mut String)
where
    I: IntoIterator<Item = Position>,
    I::IntoIter: Clone,
{
    let positions = positions.into_iter();
    let mut epochs = positions.clone().map(|position| position.epoch);
    let shared = epochs
        .next()
        .filter(|first| epochs.all(|epoch| epoch == *first));
    let mut bytes = Vec::with_capacity(24);
    bytes.push(if shared.is_some() {
        ONE_EPOCH
    } else {
        EPOCH_EACH
    });
    bytes.extend_from_slice(&binding.0.to_be_bytes());
    if let Some(epoch) = shared {
        bytes.extend_from_slice(&epoch.number().to_be_bytes());
    }
    for position in positions {
        if shared.is_none() {
            bytes.extend_from_slice(&position.epoch.number().to_be_bytes());
        }
        write_varint(position.offset, &mut bytes);
    }
    URL_SAFE_NO_PAD.encode_string(bytes, out);
}

/// The token of a session on one channel.
pub fn token_of(binding: Binding, position: Position) -> String {
    let mut token = String::new();
    write_token(binding, [position], &mut token);
    token
}

/// Where a client says it stands: a token of ours, or positions it wrote out itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    binding: Option<Binding>,
    positions: Vec<Position>,
}

impl Since {
    /// Reads a position token, or `EPOCH:OFFSET` once per channel with commas between.
    ///
    /// # Errors
    ///
    /// [`InvalidPosition`] with the part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, InvalidPosition> {
        if text.contains(':') {
            return Ok(Self {
                binding: None,
                positions: text.split(',').map(str::parse).collect::<Result<_, _>>()?,
            });
        }
        read_token(text).ok_or_else(|| InvalidPosition::Form(excerpt(text)))
    }

    /// Several such texts, as a repeated query parameter gives them.
    ///
    /// # Errors
    ///
    /// As [`Since::parse`]; and several tokens are no position.
    pub fn parse_all<'a>(
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidPosition> {
        let mut texts = texts.into_iter();
        let mut since = Self::parse(texts.next().unwrap_or_default())?;
        for text in texts {
            let more = Self::parse(text)?;
            if since.binding.is_some() || more.binding.is_some() {
                return Err(InvalidPosition::Form(excerpt(text)));
            }
            since.positions.extend(more.positions);
        }
        Ok(since)
    }

    /// One position per channel of a session.
    ///
    /// A token of other channels gives [`Position::UNKNOWN`] for each.
    ///
    /// # Errors
    ///
    /// When written-out positions are more or fewer than the channels.
    pub fn positions(&self, channels: &[Channel]) -> Result<Vec<Position>, InvalidPosition> {
        let fits = self.positions.len() == channels.len();
        match self.binding {
            Some(binding) if fits && binding == Binding::of(channels) => Ok(self.positions.clone()),
            Some(_) => Ok(vec![Position::UNKNOWN; channels.len()]),
            None if fits => Ok(self.positions.clone()),
            None => Err(InvalidPosition::Count {
                positions: self.positions.len(),
                channels: channels.len(),
            }),
        }
    }
}

fn read_token(text: &str) -> Option<Since> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (&kind, rest) = bytes.split_first()?;
    let (binding, mut rest) = rest.split_first_chunk()?;
    let shared = match kind {
        ONE_EPOCH => Some(read_epoch(&mut rest)?),
        EPOCH_EACH => None,
        _ => return None,
    };
    let mut positions = Vec::new();
    while !rest.is_empty() {
        let epoch = match shared {
            Some(epoch) => epoch,
            None => read_epoch(&mut rest)?,
        };
        positions.push(Position::new(epoch, read_varint(&mut rest)?));
    }
    Some(Since {
        binding: Some(Binding(u32::from_be_bytes(*binding))),
        positions,
    })
}

fn read_epoch(bytes: &mut &[u8]) -> Option<Epoch> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(Epoch::new(u64::from_be_bytes(*number)))
}

/// LEB128: seven bits a byte, the lowest first.
fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn read_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..56).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (number < Position::OFFSET_LIMIT).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn channels(names: &[&str]) -> Vec<Channel> {
        names
            .iter()
            .map(|name| Channel::new(name).unwrap())
            .collect()
    }

    fn token(names: &[&str], positions: &[Position]) -> String {
        let mut token = String::new();
        write_token(
            Binding::of(&channels(names)),
            positions.iter().copied(),
            &mut token,
        );
        token
    }

    #[test]
    fn a_token_of_one_channel_is_short() {
        let position = Position::new(Epoch::new(u64::MAX), 100_000);
        assert!(token(&["news"], &[position]).len() <= 22);
    }

    #[test]
    fn a_token_taken_to_other_channels_is_unknown_there() {
        let position = Position::new(Epoch::new(7), 3);
        let since = Since::parse(&token(&["a", "bc"], &[position, position])).unwrap();
        assert_eq!(
            since.positions(&channels(&["a", "bc"])),
            Ok(vec![position; 2])
        );
        for other in [&["ab", "c"][..], &["bc", "a"], &["a"], &["a", "bc", "d"]] {
            let positions = since.positions(&channels(other)).unwrap();
            assert_eq!(positions, vec![Position::UNKNOWN; other.len()]);
        }
    }

    #[test]
    fn written_out_positions_come_one_per_channel_in_order() {
        let expected = Ok(vec![
            Position::new(Epoch::new(1), 5),
            Position::new(Epoch::new(2), 6),
        ]);
        let two = channels(&["a", "b"]);
        assert_eq!(Since::parse("1:5,2:6").unwrap().positions(&two), expected);
        assert_eq!(
            Since::parse_all(["1:5", "2:6"]).unwrap().positions(&two),
            expected
        );
        assert!(Since::parse("1:5").unwrap().positions(&two).is_err());
    }

    proptest! {
        #[test]
        fn every_token_is_read_back(positions in prop::collection::vec((any::<u64>(), 0..Position::OFFSET_LIMIT), 1..9)) {
            let positions: Vec<_> = positions.into_iter().map(|(e, o)| Position::new(Epoch::new(e), o)).collect();
            let names: Vec<_> = (0..positions.len()).map(|n| n.to_string()).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let since = Since::parse(&token(&names, &positions)).unwrap();
            prop_assert_eq!(since.positions(&channels(&names)), Ok(positions));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,80}") {
            let _ = Since::parse(&text);
        }
    }
}
