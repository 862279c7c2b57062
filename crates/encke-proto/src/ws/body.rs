//! What has arrived of a message.
//!
//! Invariant: a text is whole characters, in a `String`, which carries the proof that they were
//! checked, and at most three bytes of one that is cut. So a text's bytes are checked once however
//! they arrive, and it fails at the first that no UTF-8 continues with.

use super::{Message, violation::Violation};

/// The payload of a message whose end has not arrived.
#[derive(Debug)]
pub(super) enum Body {
    Text {
        whole: String,
        /// The beginning of one character.
        cut: [u8; 4],
        cut_length: u8,
    },
    Binary(Vec<u8>),
}

impl Body {
    pub(super) fn text() -> Self {
        Self::Text {
            whole: String::new(),
            cut: [0; 4],
            cut_length: 0,
        }
    }

    pub(super) fn binary() -> Self {
        Self::Binary(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text {
                whole, cut_length, ..
            } => whole.len() + usize::from(*cut_length),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// What is there, but for a character that is cut.
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text { whole, .. } => whole.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Makes room for bytes that are there: exactly for the first, as there are often no others.
    pub(super) fn reserve(&mut self, bytes: usize) {
        match self {
            Self::Text { whole, .. } if whole.is_empty() => whole.reserve_exact(bytes),
            Self::Text { whole, .. } => whole.reserve(bytes),
            Self::Binary(all) if all.is_empty() => all.reserve_exact(bytes),
            Self::Binary(all) => all.reserve(bytes),
        }
    }

    /// Appends bytes, which are checked if they are a text's.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        match self {
            Self::Text {
                whole,
                cut,
                cut_length,
            } => push_text(whole, cut, cut_length, bytes),
            Self::Binary(all) => {
                all.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Ends the message.
    pub(super) fn finish(self) -> Result<Message, Violation> {
        // What arrives in many pieces, or is inflated, has grown by steps.
        match self {
            Self::Text {
                cut_length: 1.., ..
            } => Err(Violation::Utf8),
            Self::Text { mut whole, .. } => {
                whole.shrink_to_fit();
                Ok(whole.into())
            }
            Self::Binary(mut bytes) => {
                bytes.shrink_to_fit();
                Ok(bytes.into())
            }
        }
    }
}

fn push_text(
    whole: &mut String,
    cut: &mut [u8; 4],
    cut_length: &mut u8,
    mut bytes: &[u8],
) -> Result<(), Violation> {
    while *cut_length > 0 {
        let Some((byte, rest)) = bytes.split_first() else {
            return Ok(());
        };
        bytes = rest;
        let length = usize::from(*cut_length);
        cut[length] = *byte;
        match str::from_utf8(&cut[..=length]) {
            Ok(character) => {
                whole.push_str(character);
                *cut_length = 0;
            }
            Err(error) if error.error_len().is_none() => *cut_length += 1,
            Err(_) => return Err(Violation::Utf8),
        }
    }

    let (characters, rest) = bytes.split_at(last_cut(bytes));
    // Against std, in ASCII and in mixed text (`examples/utf8_cost.rs`, x86-64 with AVX2): 1 × as
    // fast both for 20 B, 4 × and 6 × for 1 KiB, 3 × and 6 × for 64 KiB.
    whole.push_str(simdutf8::basic::from_utf8(characters).map_err(|_| Violation::Utf8)?);
    if str::from_utf8(rest).is_err_and(|error| error.error_len().is_some()) {
        return Err(Violation::Utf8);
    }
    cut[..rest.len()].copy_from_slice(rest);
    *cut_length = rest.len() as u8;
    Ok(())
}

/// Where the character begins that ends behind `bytes`; their length where none does.
fn last_cut(bytes: &[u8]) -> usize {
    let start = bytes
        .iter()
        .rev()
        .take(3)
        .position(|byte| byte >> 6 != 0b10);
    let Some(back) = start else {
        return bytes.len();
    };
    let start = bytes.len() - 1 - back;
    let length = match bytes[start] {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    };
    if start + length > bytes.len() {
        start
    } else {
        bytes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*, sample::select};

    /// Characters and what is close to them, of every length.
    fn almost_text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            8 => any::<char>().prop_map(|char| char.to_string().into_bytes()),
            4 => "[a-zé€😀]{0,90}".prop_map(String::into_bytes),
            1 => vec(select(vec![0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0xFF]), 1..3),
        ];
        vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_text_fails_at_the_piece_with_its_first_bad_byte(
            bytes in almost_text(),
            cuts in vec(prop_oneof![1..4_usize, 1..80_usize], 0..400),
        ) {
            let mut body = Body::text();
            let (mut rest, mut cuts) = (&bytes[..], cuts.into_iter());
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                rest = after;
                let seen = &bytes[..bytes.len() - rest.len()];
                let bad = str::from_utf8(seen).is_err_and(|error| error.error_len().is_some());
                prop_assert_eq!(body.push(piece).is_err(), bad);
                if bad {
                    return Ok(());
                }
                prop_assert_eq!(body.len(), seen.len());
            }
            let expected = String::from_utf8(bytes).map(Message::from);
            prop_assert_eq!(body.finish(), expected.map_err(|_| Violation::Utf8));
        }
    }
}
