//! What the outgoing stream of a socket may yield.

use crate::BoxError;
use bytes::Bytes;
use encke_proto::ws::{CloseFrame, Message, Text};
use std::borrow::Cow;

/// A value that becomes what a socket sends, a `T`, or a [`Result`] of one: its error closes the
/// socket, with 1011 or as [`CloseWith`](super::CloseWith) says.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent over this WebSocket",
    note = "items are `{T}`, or `Result<{T}, E>` with an `E` that converts to `BoxError`"
)]
pub trait SocketItem<T> {
    /// The value to send.
    ///
    /// # Errors
    ///
    /// The error of the item, where it is a [`Result`].
    fn into_item(self) -> Result<T, BoxError>;
}

impl<T> SocketItem<T> for T {
    fn into_item(self) -> Result<T, BoxError> {
        Ok(self)
    }
}

impl<T, E: Into<BoxError>> SocketItem<T> for Result<T, E> {
    fn into_item(self) -> Result<T, BoxError> {
        self.map_err(Into::into)
    }
}

macro_rules! items {
    ($item:ty: $($from:ty),*) => {$(
        impl SocketItem<$item> for $from {
            fn into_item(self) -> Result<$item, BoxError> {
                Ok(self.into())
            }
        }

        impl<E: Into<BoxError>> SocketItem<$item> for Result<$from, E> {
            fn into_item(self) -> Result<$item, BoxError> {
                self.map(Into::into).map_err(Into::into)
            }
        }
    )*};
}

items!(Text: String, &'static str);
items!(Bytes: Vec<u8>, &'static [u8]);
items!(Message: Text, String, &'static str, Bytes, Vec<u8>, CloseFrame);

impl SocketItem<Text> for Cow<'static, str> {
    fn into_item(self) -> Result<Text, BoxError> {
        Ok(match self {
            Cow::Borrowed(text) => Text::from_static(text),
            Cow::Owned(text) => text.into(),
        })
    }
}
