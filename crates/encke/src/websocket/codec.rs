//! What an application reads and writes in place of messages.
//!
//! A type that implements [`Codec`] makes a new kind of typed socket, with
//! [`WebSocket::using`](crate::WebSocket::using).

mod json;
mod mapped;

pub use self::{
    json::Json,
    mapped::{Contramap, Map},
};

use crate::BoxError;
use bytes::Bytes;
use encke_proto::ws::{self, CloseCode, CloseFrame, Message};

/// From messages to what an application reads, and from what it writes to messages.
///
/// ```
/// use encke::websocket::{CloseCode, CloseFrame, Message, codec::{self, Codec}};
///
/// // Numbers as texts.
/// let codec = codec::Text.map(|text| text.len()).contramap(|number: u32| number.to_string().into());
/// assert_eq!(codec.decode("kiki".into()), Ok(Some(4)));
/// assert_eq!(codec.encode(7).unwrap(), Message::text("7"));
/// ```
pub trait Codec: Send + Sync + 'static {
    /// What the application reads.
    type In: Send + 'static;
    /// What it writes.
    type Out: Send + 'static;

    /// Reads a message; `None` is kept from the application.
    ///
    /// It gets every message, pings, pongs and last of all the Close included.
    ///
    /// # Errors
    ///
    /// How the socket is closed, because the message is none that it takes.
    fn decode(&self, message: Message) -> Result<Option<Self::In>, CloseFrame>;

    /// Writes a message.
    ///
    /// # Errors
    ///
    /// Whatever keeps the item from being written.
    fn encode(&self, item: Self::Out) -> Result<Message, BoxError>;

    /// This one, with `f` behind what it reads.
    fn map<T, F>(self, f: F) -> Map<Self, F>
    where
        Self: Sized,
        F: Fn(Self::In) -> T + Send + Sync + 'static,
    {
        Map::new(self, f)
    }

    /// This one, with `f` before what it writes.
    fn contramap<T, F>(self, f: F) -> Contramap<Self, F, T>
    where
        Self: Sized,
        F: Fn(T) -> Self::Out + Send + Sync + 'static,
    {
        Contramap::new(self, f)
    }
}

/// Texts; a binary message closes the socket with 1003.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl Codec for Text {
    type In = ws::Text;
    type Out = ws::Text;

    fn decode(&self, message: Message) -> Result<Option<ws::Text>, CloseFrame> {
        match message {
            Message::Text(text) => Ok(Some(text)),
            Message::Binary(_) => Err(unacceptable("This WebSocket only supports text frames")),
            _ => Ok(None),
        }
    }

    fn encode(&self, text: ws::Text) -> Result<Message, BoxError> {
        Ok(Message::Text(text))
    }
}

/// Bytes; a text message closes the socket with 1003.
#[derive(Debug, Clone, Copy, Default)]
pub struct Binary;

impl Codec for Binary {
    type In = Bytes;
    type Out = Bytes;

    fn decode(&self, message: Message) -> Result<Option<Bytes>, CloseFrame> {
        match message {
            Message::Binary(bytes) => Ok(Some(bytes)),
            Message::Text(_) => Err(unacceptable("This WebSocket only supports binary frames")),
            _ => Ok(None),
        }
    }

    fn encode(&self, bytes: Bytes) -> Result<Message, BoxError> {
        Ok(Message::Binary(bytes))
    }
}

/// Messages as they are: texts, bytes, pings, pongs, and last the Close.
///
/// A client that was lost is a Close with 1006.
#[derive(Debug, Clone, Copy, Default)]
pub struct Messages;

impl Codec for Messages {
    type In = Message;
    type Out = Message;

    fn decode(&self, message: Message) -> Result<Option<Message>, CloseFrame> {
        Ok(Some(message))
    }

    fn encode(&self, message: Message) -> Result<Message, BoxError> {
        Ok(message)
    }
}

fn unacceptable(reason: impl Into<std::borrow::Cow<'static, str>>) -> CloseFrame {
    CloseFrame::new(CloseCode::UNACCEPTABLE, reason)
}
