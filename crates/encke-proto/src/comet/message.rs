//! Messages as JavaScript expressions that cannot leave their script element.

use std::borrow::Cow;
use std::error::Error;

use bytes::Bytes;
use serde::Serialize;

use super::{write_json, write_string};

/// A finished JavaScript expression; a clone shares its bytes.
///
/// It holds no `<` and, where it was written by this crate, no `>`, `&`, line separator or control
/// character either, so it stays inside its script element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeExpression(Bytes);

impl SafeExpression {
    /// A string.
    pub fn string(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 2);
        write_string(text, &mut bytes);
        Self(bytes.into_boxed_slice().into())
    }

    /// The value of JSON text, as [`write_json`] writes it.
    pub fn json(json: &str) -> Self {
        let mut bytes = Vec::with_capacity(json.len());
        write_json(json, &mut bytes);
        Self(bytes.into_boxed_slice().into())
    }

    /// The value `undefined`.
    pub fn undefined() -> Self {
        Self(Bytes::from_static(b"undefined"))
    }

    /// What `message` writes; `undefined` if it writes nothing.
    ///
    /// # Errors
    ///
    /// When `message` cannot be written.
    pub fn of<M: CometMessage + ?Sized>(message: &M) -> Result<Self, MessageError> {
        let mut bytes = Vec::new();
        message.write(&mut Expression { out: &mut bytes })?;
        if bytes.is_empty() {
            return Ok(Self::undefined());
        }
        Ok(Self(bytes.into_boxed_slice().into()))
    }

    /// The expression as it is written into a script.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

/// A value that can be sent over a Comet socket.
///
/// Strings, [`serde_json::Value`] and, in [`Json`], everything serializable are messages. A type of
/// your own becomes one by writing the JavaScript expression the callback shall receive:
///
/// ```
/// use encke_proto::comet::{CometMessage, Expression, MessageError, SafeExpression};
///
/// struct Tick(u64);
///
/// impl CometMessage for Tick {
///     fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
///         expression.code("new Date(")?.json(&self.0)?.code(")")?;
///         Ok(())
///     }
/// }
///
/// assert_eq!(SafeExpression::of(&Tick(7))?.as_bytes(), "new Date(7)");
/// # Ok::<(), MessageError>(())
/// ```
pub trait CometMessage {
    /// Writes the message as one JavaScript expression.
    ///
    /// # Errors
    ///
    /// When the message has no such form; nothing of it is sent then.
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError>;
}

/// A JavaScript expression being written, which cannot leave its script element.
#[derive(Debug)]
pub struct Expression<'a> {
    out: &'a mut Vec<u8>,
}

impl Expression<'_> {
    /// Appends a string literal.
    pub fn string(&mut self, text: &str) -> &mut Self {
        write_string(text, self.out);
        self
    }

    /// Appends a value as serde sees it.
    ///
    /// # Errors
    ///
    /// When `value` cannot be serialized as JSON.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<&mut Self, MessageError> {
        let json = serde_json::to_string(value).map_err(MessageError::new)?;
        write_json(&json, self.out);
        Ok(self)
    }

    /// Appends code of the program itself.
    ///
    /// # Errors
    ///
    /// When `code` contains `<`, which could end the script element: write `b > a` for `a < b`.
    pub fn code(&mut self, code: &'static str) -> Result<&mut Self, MessageError> {
        if code.contains('<') {
            return Err(MessageError::Markup { code });
        }
        self.out.extend_from_slice(code.as_bytes());
        Ok(self)
    }
}

/// Why a message cannot be sent over a Comet socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Code with a `<` in it.
    #[error("code {code:?} contains `<`, which could end the script element")]
    Markup {
        /// The code.
        code: &'static str,
    },
    /// The message could not be turned into an expression.
    #[error("message cannot be written as JavaScript")]
    Unwritable(#[source] Box<dyn Error + Send + Sync>),
}

impl MessageError {
    /// An error of the message's own.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unwritable(source.into())
    }
}

/// Sends anything serializable as the JavaScript value of its JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(
    /// The value.
    pub T,
);

impl<T: Serialize> CometMessage for Json<T> {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        expression.json(&self.0).map(|_| ())
    }
}

impl CometMessage for serde_json::Value {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        expression.json(self).map(|_| ())
    }
}

impl CometMessage for str {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        expression.string(self);
        Ok(())
    }
}

impl CometMessage for String {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        self.as_str().write(expression)
    }
}

impl CometMessage for Cow<'_, str> {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        self.as_ref().write(expression)
    }
}

impl<M: CometMessage + ?Sized> CometMessage for &M {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        (**self).write(expression)
    }
}
