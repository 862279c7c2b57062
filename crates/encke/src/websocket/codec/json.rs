//! JSON of any type that serde knows.

use super::{Codec, unacceptable};
use crate::BoxError;
use encke_proto::ws::{CloseFrame, Message};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;
use std::{fmt, marker::PhantomData};

/// What is no JSON, in Play's words.
const NO_JSON: &str = "Unable to parse json message";

/// JSON, read from texts and bytes and written as text.
///
/// What is no JSON, or not that of an `In`, closes the socket with 1003; the reason says what is
/// missing.
pub struct Json<In, Out>(PhantomData<fn(Out) -> In>);

impl<In, Out> Json<In, Out> {
    /// Reads `In`, writes `Out`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<In, Out> Codec for Json<In, Out>
where
    In: DeserializeOwned + Send + 'static,
    Out: Serialize + Send + 'static,
{
    type In = In;
    type Out = Out;

    fn decode(&self, message: Message) -> Result<Option<In>, CloseFrame> {
        let read = match &message {
            Message::Text(text) => serde_json::from_str(text),
            Message::Binary(bytes) => serde_json::from_slice(bytes),
            _ => return Ok(None),
        };
        read.map(Some).map_err(|error| match error.classify() {
            Category::Data => unacceptable(error.to_string()),
            _ => unacceptable(NO_JSON),
        })
    }

    fn encode(&self, item: Out) -> Result<Message, BoxError> {
        Ok(serde_json::to_string(&item)?.into())
    }
}

impl<In, Out> Default for Json<In, Out> {
    fn default() -> Self {
        Self::new()
    }
}

impl<In, Out> Clone for Json<In, Out> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<In, Out> Copy for Json<In, Out> {}

impl<In, Out> fmt::Debug for Json<In, Out> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encke_proto::ws::CloseCode;

    #[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
    struct Count {
        count: u32,
    }

    fn decode(text: &str) -> Result<Option<Count>, CloseFrame> {
        Json::<Count, Count>::new().decode(text.into())
    }

    #[test]
    fn what_is_no_json_is_told_from_what_is_another_type() {
        assert_eq!(decode(r#"{"count": 1}"#), Ok(Some(Count { count: 1 })));
        for text in ["", "{", "nope", r#"{"count": 1} 2"#] {
            assert_eq!(decode(text).unwrap_err().reason(), NO_JSON, "{text}");
        }
        let error = decode(r#"{"counts": 1}"#).unwrap_err();
        assert_eq!(error.code(), CloseCode::UNACCEPTABLE);
        assert!(error.reason().starts_with("missing field `count`"));
    }

    #[test]
    fn bytes_are_read_too_and_text_is_written() {
        let codec = Json::<Count, Count>::new();
        let bytes = Message::binary(&br#"{"count":2}"#[..]);
        assert_eq!(codec.decode(bytes), Ok(Some(Count { count: 2 })));
        let text = codec.encode(Count { count: 3 }).unwrap();
        assert_eq!(text, Message::text(r#"{"count":3}"#));
    }

    #[test]
    fn a_long_reason_fits_its_frame() {
        let error = decode(&format!(r#"{{"count": "{}"}}"#, "é".repeat(200))).unwrap_err();
        assert!((122..=123).contains(&error.reason().len()));
    }
}
