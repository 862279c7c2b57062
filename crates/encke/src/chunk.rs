//! What an item of a chunked response looks like on the wire: its bytes and its content type.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use encke_proto::comet::Json;
use http::HeaderValue;
use serde::Serialize;

use crate::BoxError;

/// A type that can be sent as a chunk; implement it to stream your own types with
/// [`Chunked::new`](crate::Chunked::new).
///
/// It is there for text, bytes and [`Json`], and for a [`Result`] of any of them: its error ends
/// the response.
///
/// ```
/// use encke::{BoxError, Chunk, Chunked};
/// use http::HeaderValue;
///
/// struct Reading { sensor: u8, celsius: f32 }
///
/// impl Chunk for Reading {
///     fn content_type() -> Option<HeaderValue> {
///         Some(HeaderValue::from_static("text/csv"))
///     }
///
///     fn into_bytes(self) -> Result<bytes::Bytes, BoxError> {
///         Ok(format!("{},{}\n", self.sensor, self.celsius).into())
///     }
/// }
///
/// let readings = futures_util::stream::iter([Reading { sensor: 1, celsius: 20.5 }]);
/// let response = Chunked::new(readings).into_response();
/// assert_eq!(response.headers()["content-type"], "text/csv");
/// ```
pub trait Chunk {
    /// The `Content-Type` of a response made of these; `None` leaves it out.
    fn content_type() -> Option<HeaderValue>;

    /// The bytes of one chunk; an empty one is skipped.
    ///
    /// # Errors
    ///
    /// Whatever keeps the item from being written. The response ends there.
    fn into_bytes(self) -> Result<Bytes, BoxError>;
}

/// Strings of every kind, and a [`Result`] of one: its error ends the response.
pub trait Text: Chunk {
    /// The text itself.
    ///
    /// # Errors
    ///
    /// The error of the item, where it is a [`Result`].
    fn into_text(self) -> Result<Cow<'static, str>, BoxError>;
}

impl Text for String {
    fn into_text(self) -> Result<Cow<'static, str>, BoxError> {
        Ok(Cow::Owned(self))
    }
}

impl Text for &'static str {
    fn into_text(self) -> Result<Cow<'static, str>, BoxError> {
        Ok(Cow::Borrowed(self))
    }
}

impl Text for Cow<'static, str> {
    fn into_text(self) -> Result<Self, BoxError> {
        Ok(self)
    }
}

impl Text for Box<str> {
    fn into_text(self) -> Result<Cow<'static, str>, BoxError> {
        Ok(Cow::Owned(self.into()))
    }
}

impl Text for Arc<str> {
    fn into_text(self) -> Result<Cow<'static, str>, BoxError> {
        Ok(Cow::Owned(self.as_ref().into()))
    }
}

impl<T: Text, E: Into<BoxError>> Text for Result<T, E> {
    fn into_text(self) -> Result<Cow<'static, str>, BoxError> {
        self.map_err(Into::into)?.into_text()
    }
}

macro_rules! text_chunks {
    ($($text:ty),*) => {$(
        impl Chunk for $text {
            fn content_type() -> Option<HeaderValue> {
                Some(HeaderValue::from_static("text/plain; charset=utf-8"))
            }

            fn into_bytes(self) -> Result<Bytes, BoxError> {
                self.into_text().map(|text| match text {
                    Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
                    Cow::Owned(text) => Bytes::from(text),
                })
            }
        }
    )*};
}

text_chunks!(String, &'static str, Cow<'static, str>, Box<str>, Arc<str>);

macro_rules! binary_chunks {
    ($($bytes:ty),*) => {$(
        impl Chunk for $bytes {
            fn content_type() -> Option<HeaderValue> {
                Some(HeaderValue::from_static("application/octet-stream"))
            }

            fn into_bytes(self) -> Result<Bytes, BoxError> {
                Ok(self.into())
            }
        }
    )*};
}

binary_chunks!(Bytes, Vec<u8>, Box<[u8]>, &'static [u8]);

impl<const N: usize> Chunk for &'static [u8; N] {
    fn content_type() -> Option<HeaderValue> {
        Bytes::content_type()
    }

    fn into_bytes(self) -> Result<Bytes, BoxError> {
        Ok(Bytes::from_static(self))
    }
}

impl<T: Serialize> Chunk for Json<T> {
    fn content_type() -> Option<HeaderValue> {
        Some(HeaderValue::from_static("application/json"))
    }

    fn into_bytes(self) -> Result<Bytes, BoxError> {
        Ok(serde_json::to_vec(&self.0)?.into())
    }
}

impl<T: Chunk, E: Into<BoxError>> Chunk for Result<T, E> {
    fn content_type() -> Option<HeaderValue> {
        T::content_type()
    }

    fn into_bytes(self) -> Result<Bytes, BoxError> {
        self.map_err(Into::into)?.into_bytes()
    }
}
