//! A text that was checked once.

use bytes::Bytes;
use bytestring::ByteString;
use std::{fmt, ops::Deref};

/// The text of a message. Cheap to clone, and known to be UTF-8.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Text(ByteString);

impl Text {
    /// A text that the program contains; nothing is allocated.
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// Checks bytes and keeps them, without a copy.
    ///
    /// # Errors
    ///
    /// When they are not UTF-8.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, InvalidUtf8> {
        ByteString::try_from(bytes)
            .map(Self)
            .map_err(|error| InvalidUtf8 {
                valid_up_to: error.valid_up_to(),
            })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }
}

/// Bytes that should have been a text are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not UTF-8 from byte {valid_up_to} on")]
pub struct InvalidUtf8 {
    valid_up_to: usize,
}

impl InvalidUtf8 {
    /// How many bytes were fine.
    pub fn valid_up_to(&self) -> usize {
        self.valid_up_to
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Self {
        text.into_bytes()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
