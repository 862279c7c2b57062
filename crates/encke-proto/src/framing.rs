//! The forms in which a publication is encoded once and shared by all subscribers.

use crate::{
    Binding, Channel, Data, Output, Publication,
    comet::{Details, SafeExpression, write_callback_close},
    ndjson, sse, token_of,
    ws::{
        Shared,
        deflate::{self, WindowBits},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use std::ops::Range;

/// A byte form a publication is cached in. Closed: nothing here is keyed by what a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// An SSE event of a session on one channel, with its id.
    Sse,
    /// An item with its line's end; also the envelope of SSE.
    Ndjson,
    /// The JavaScript expression of the data and what stands behind it for a callback of a session
    /// on one channel; before it stands each session's own script element.
    Comet,
    /// A frame of the data alone: text, or binary for bytes.
    WebSocket,
    /// The same, deflated where that makes it smaller.
    DeflatedWebSocket,
}

impl Framing {
    /// How many there are.
    pub const COUNT: usize = 5;
}

/// A publication in one framing. A clone shares its bytes.
#[derive(Debug, Clone)]
pub struct Encoded {
    bytes: Bytes,
    /// The part that sessions on several channels have in common, or have of their own.
    part: Part,
}

#[derive(Debug, Clone)]
enum Part {
    /// A frame has no parts.
    Whole,
    /// Where the token of a session on this channel alone stands, to be replaced by another's.
    Token(Range<usize>),
    /// Where the JavaScript expression of the data ends.
    Expression(usize),
}

impl Encoded {
    /// Encodes a publication of `channel`.
    pub fn new(framing: Framing, channel: &Channel, publication: &Publication) -> Self {
        let token = token_of(Binding::of([channel]), publication.position);
        match framing {
            Framing::Sse => Self::sse(publication, &token),
            Framing::Ndjson => Self::ndjson(channel, publication, &token),
            Framing::Comet => Self::comet(publication, &token),
            Framing::WebSocket => Self::web_socket(frame(publication).frame()),
            Framing::DeflatedWebSocket => Self::web_socket(deflated(frame(publication)).smallest()),
        }
    }

    fn sse(publication: &Publication, token: &str) -> Self {
        let data = &publication.data;
        let mut out = Vec::with_capacity(data.len() + token.len() + 32);
        if let Data::Bytes(_) = data {
            out.extend_from_slice(b"event: binary\n");
        }
        let start = out.len() + "id: ".len();
        sse::write_token(token, &mut out);
        match data {
            Data::Text(text) => sse::write_data(text, &mut out),
            Data::Json(json) => sse::write_data(json.as_str(), &mut out),
            Data::Bytes(bytes) => sse::write_data(&STANDARD.encode(bytes), &mut out),
        }
        sse::write_end(&mut out);
        Self {
            bytes: exactly(out),
            part: Part::Token(start..start + token.len()),
        }
    }

    fn ndjson(channel: &Channel, publication: &Publication, token: &str) -> Self {
        let mut out = String::with_capacity(publication.data.len() + token.len() + 128);
        let token = ndjson::write_publication(channel, publication, token, &mut out);
        out.push('\n');
        Self {
            bytes: exactly(out.into_bytes()),
            part: Part::Token(token),
        }
    }

    fn comet(publication: &Publication, token: &str) -> Self {
        let mut details = Details::at(token);
        let expression = match &publication.data {
            Data::Text(text) => SafeExpression::string(text),
            Data::Json(json) => SafeExpression::json(json.as_str()),
            Data::Bytes(bytes) => {
                details = details.base64();
                SafeExpression::string(&STANDARD.encode(bytes))
            }
        };
        let mut out = Vec::with_capacity(expression.as_bytes().len() + token.len() + 64);
        out.extend_from_slice(expression.as_bytes());
        let end = out.len();
        write_callback_close(&details, &mut out);
        Self {
            bytes: exactly(out),
            part: Part::Expression(end),
        }
    }

    fn web_socket(frame: &Bytes) -> Self {
        Self {
            bytes: frame.clone(),
            part: Part::Whole,
        }
    }

    /// The bytes for a session on this channel alone, behind what is the session's own.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Length of the item with this token in place of the channel's own, without its line's end.
    pub fn item_len(&self, token: &str) -> usize {
        self.bytes.len() - "\n".len() - self.token().len() + token.len()
    }

    /// Writes the item of [`Framing::Ndjson`] with another token in place of the channel's own,
    /// without its line's end.
    pub fn share_item(&self, token: &str, out: &mut Output) {
        let own = self.token();
        let end = self.bytes.len() - "\n".len();
        out.buffer().extend_from_slice(&self.bytes[..own.start]);
        out.buffer().extend_from_slice(token.as_bytes());
        out.share(self.bytes.slice(own.end..end));
    }

    /// The JavaScript expression alone, of [`Framing::Comet`].
    pub fn expression(&self) -> Bytes {
        match self.part {
            Part::Expression(end) => self.bytes.slice(..end),
            _ => Bytes::new(),
        }
    }

    fn token(&self) -> Range<usize> {
        match &self.part {
            Part::Token(token) => token.clone(),
            _ => 0..0,
        }
    }
}

fn frame(publication: &Publication) -> Shared {
    match &publication.data {
        Data::Text(text) => Shared::text(text),
        Data::Json(json) => Shared::text(json.as_str()),
        Data::Bytes(bytes) => Shared::binary(bytes),
    }
}

/// Deflates what is long enough to become smaller.
fn deflated(frame: Shared) -> Shared {
    let deflate::Config {
        level, threshold, ..
    } = deflate::Config::default();
    if frame.size() < threshold {
        return frame;
    }
    frame.deflated(level, WindowBits::MAX)
}

/// Bytes without the room that was left for more of them.
fn exactly(bytes: Vec<u8>) -> Bytes {
    bytes.into_boxed_slice().into()
}
