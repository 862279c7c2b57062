//! What makes an event: strings, JSON, pairs with the event's name, and the application's own.

use std::{borrow::Cow, sync::Arc};

use encke_proto::{comet::Json, sse::Event};
use serde::Serialize;

use crate::BoxError;

/// A type that can be sent as an event.
///
/// Strings are its data, [`Json`] is data as JSON, a pair is the event's name and the rest of it,
/// and the error of a [`Result`] ends the response.
///
/// ```
/// use encke::{BoxError, Event, EventSource, IntoEvent};
///
/// struct Price { share: &'static str, cents: u64, version: u64 }
///
/// impl IntoEvent for Price {
///     fn into_event(self) -> Result<Event, BoxError> {
///         Ok(Event::new().event(self.share)?.id(self.version.to_string())?.data(self.cents.to_string()))
///     }
/// }
///
/// let prices = [Price { share: "kiki", cents: 4200, version: 1 }];
/// let response = EventSource::new(futures_util::stream::iter(prices));
/// # let _ = response;
/// ```
pub trait IntoEvent {
    /// The event.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being one. The response ends there.
    fn into_event(self) -> Result<Event, BoxError>;
}

impl IntoEvent for Event {
    fn into_event(self) -> Result<Event, BoxError> {
        Ok(self)
    }
}

macro_rules! data {
    ($($text:ty),*) => {$(
        impl IntoEvent for $text {
            fn into_event(self) -> Result<Event, BoxError> {
                Ok(Event::new().data(String::from(self)))
            }
        }
    )*};
}

data!(String, &str, Cow<'_, str>, Box<str>);

impl IntoEvent for Arc<str> {
    fn into_event(self) -> Result<Event, BoxError> {
        self.as_ref().into_event()
    }
}

impl<T: Serialize> IntoEvent for Json<T> {
    fn into_event(self) -> Result<Event, BoxError> {
        Ok(Event::new().json(&self.0)?)
    }
}

impl<N: Into<String>, T: IntoEvent> IntoEvent for (N, T) {
    fn into_event(self) -> Result<Event, BoxError> {
        let (name, event) = self;
        Ok(event.into_event()?.event(name)?)
    }
}

impl<T: IntoEvent, E: Into<BoxError>> IntoEvent for Result<T, E> {
    fn into_event(self) -> Result<Event, BoxError> {
        self.map_err(Into::into)?.into_event()
    }
}
