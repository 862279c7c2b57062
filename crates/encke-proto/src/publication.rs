//! What is published.

use crate::Position;
use bytes::Bytes;
use serde::{Serialize, de::IgnoredAny};
use std::{fmt, sync::Arc};

/// One item of a channel. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Publication {
    /// Where it stands in the channel.
    pub position: Position,
    /// What was published.
    pub data: Data,
}

impl Publication {
    /// The publication of `data` at `position`.
    pub fn new(position: Position, data: Data) -> Self {
        Self { position, data }
    }
}

/// What a publisher sends: text, JSON or bytes. Cheap to clone.
///
/// Subscribers get it as it was published: text as text, JSON verbatim but for insignificant
/// white space, bytes as binary where the transport has it and as base64 elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Data {
    /// A text.
    Text(Arc<str>),
    /// A JSON value.
    Json(JsonText),
    /// Anything.
    Bytes(Bytes),
}

impl Data {
    /// A value as JSON.
    ///
    /// # Errors
    ///
    /// When `value` refuses to be serialised, or is nested deeper than [`JsonText::MAX_DEPTH`].
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, InvalidJson> {
        JsonText::parse(&serde_json::to_string(value).map_err(InvalidJson::syntax)?).map(Self::Json)
    }

    /// Text where the bytes are UTF-8, the bytes themselves where not.
    pub fn text_or_bytes(bytes: Bytes) -> Self {
        match str::from_utf8(&bytes) {
            Ok(text) => Self::Text(text.into()),
            Err(_) => Self::Bytes(bytes),
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Json(json) => json.as_str().len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing in it. An empty text is an item like any other.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<JsonText> for Data {
    fn from(json: JsonText) -> Self {
        Self::Json(json)
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Vec<u8>> for Data {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// A JSON text that was checked, without insignificant white space. Cheap to clone.
///
/// Numbers keep their digits, keys their order and their repetitions.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonText(Arc<str>);

impl JsonText {
    /// How deep arrays and objects may be nested: deeper values overflow parsers of subscribers.
    pub const MAX_DEPTH: usize = 128;

    /// Checks a JSON text.
    ///
    /// # Errors
    ///
    /// With line and column where the text is not JSON, or where it is nested deeper than
    /// [`JsonText::MAX_DEPTH`].
    pub fn parse(text: &str) -> Result<Self, InvalidJson> {
        serde_json::from_str::<IgnoredAny>(text).map_err(InvalidJson::syntax)?;
        Ok(Self(compact(text)?.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JsonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Takes the white space between tokens out of a text that is JSON.
fn compact(text: &str) -> Result<String, InvalidJson> {
    let mut out = String::with_capacity(text.len());
    let (mut depth, mut in_string, mut escaped) = (0, false, false);
    let (mut line, mut column) = (1, 0);
    for character in text.chars() {
        if character == '\n' {
            (line, column) = (line + 1, 0);
        } else {
            column += character.len_utf8();
        }
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            out.push(character);
            continue;
        }
        match character {
            ' ' | '\n' | '\r' | '\t' => continue,
            '"' => in_string = true,
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth > JsonText::MAX_DEPTH {
            return Err(InvalidJson {
                line,
                column,
                reason: format!("nested deeper than {} levels", JsonText::MAX_DEPTH),
            });
        }
        out.push(character);
    }
    Ok(out)
}

/// Why a text is not JSON that can be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at line {line} column {column}: {reason}")]
pub struct InvalidJson {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in bytes, counted from 1; 0 before the first.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

impl InvalidJson {
    fn syntax(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let place = format!(" at line {line} column {column}");
        let reason = error.to_string().replace(&place, "");
        Self {
            line,
            column,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_loses_only_insignificant_white_space() {
        let text = "{ \"a b\" : [ 1.00 , 1e400, \"\\\" \\\\\" ],\r\n\t\"a b\": null }";
        assert_eq!(
            JsonText::parse(text).unwrap().as_str(),
            r#"{"a b":[1.00,1e400,"\" \\"],"a b":null}"#
        );
    }

    #[test]
    fn what_is_not_json_is_told_with_line_and_column() {
        let error = JsonText::parse("{\n  \"a\": tru }").unwrap_err();
        assert_eq!((error.line, error.column), (2, 11));
        assert!(
            error
                .to_string()
                .starts_with("not JSON at line 2 column 11: "),
            "{error}"
        );
        assert_eq!(error.to_string().matches("line").count(), 1);
        for text in ["", " ", "{}{}", "[1,]", "'a'", "\"\n\"", "NaN", "\u{feff}1"] {
            assert!(JsonText::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn json_nested_too_deep_is_refused_before_it_harms_a_subscriber() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(JsonText::parse(&nested(JsonText::MAX_DEPTH)).is_ok());
        let error = JsonText::parse(&nested(100_000)).unwrap_err();
        assert_eq!((error.line, error.column), (1, JsonText::MAX_DEPTH + 1));
    }
}
