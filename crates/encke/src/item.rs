//! What the streams of a response may yield: values, or [`Result`]s of values whose error ends
//! the response.
//!
//! Applications rarely name what is here: the kind of an item is inferred. It cannot be for a
//! [`Result`] whose error is such a value itself: make that error another one first.

use encke_proto::comet::{CometMessage, Json};
use serde::Serialize;

use crate::BoxError;

/// The kind of an item that is a value.
#[derive(Debug)]
pub enum Plain {}

/// The kind of an item that is a [`Result`].
#[derive(Debug)]
pub enum Fallible {}

/// A value that serde can write, or a [`Result`] of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as JSON",
    note = "items are `T: Serialize`, or `Result<T, E>` with an `E` that converts to `BoxError`"
)]
pub trait JsonItem<Kind> {
    /// What is written.
    type Value: Serialize;

    /// The value to write.
    ///
    /// # Errors
    ///
    /// The error of the item, where it is a [`Result`].
    fn into_json(self) -> Result<Json<Self::Value>, BoxError>;
}

impl<T: Serialize> JsonItem<Plain> for T {
    type Value = T;

    fn into_json(self) -> Result<Json<T>, BoxError> {
        Ok(Json(self))
    }
}

impl<T: Serialize, E: Into<BoxError>> JsonItem<Fallible> for Result<T, E> {
    type Value = T;

    fn into_json(self) -> Result<Json<T>, BoxError> {
        self.map(Json).map_err(Into::into)
    }
}

/// A [`CometMessage`], or a [`Result`] of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent over a Comet socket",
    note = "items are `T: CometMessage`, or `Result<T, E>` with an `E` that converts to `BoxError`"
)]
pub trait MessageItem<Kind> {
    /// What is sent.
    type Message: CometMessage;

    /// The message to send.
    ///
    /// # Errors
    ///
    /// The error of the item, where it is a [`Result`].
    fn into_message(self) -> Result<Self::Message, BoxError>;
}

impl<M: CometMessage> MessageItem<Plain> for M {
    type Message = M;

    fn into_message(self) -> Result<M, BoxError> {
        Ok(self)
    }
}

impl<M: CometMessage, E: Into<BoxError>> MessageItem<Fallible> for Result<M, E> {
    type Message = M;

    fn into_message(self) -> Result<M, BoxError> {
        self.map_err(Into::into)
    }
}
