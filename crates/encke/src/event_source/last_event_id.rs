//! What a reconnecting browser says it saw last.

use std::fmt;

use http::{HeaderMap, HeaderName};

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The id of the last event the browser received before it lost the connection.
///
/// With axum it is an extractor: `Option<LastEventId>`.
///
/// ```
/// use encke::{Event, EventSource, LastEventId};
/// use futures_util::{StreamExt, stream};
///
/// async fn countdown(last: Option<LastEventId>) -> EventSource {
///     let from = last.and_then(|id| id.as_str().parse().ok()).unwrap_or(10_u32);
///     EventSource::new(stream::iter((0..from).rev()).map(|left| {
///         Event::new().id(left.to_string()).map(|event| event.data(format!("{left} to go")))
///     }))
/// }
/// # let _ = axum::Router::<()>::new().route("/", axum::routing::get(countdown));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastEventId(String);

impl LastEventId {
    /// The id a request carries; `None` on a first connection.
    ///
    /// What is not UTF-8 in it, which no browser sends, becomes U+FFFD.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(&LAST_EVENT_ID)?;
        if value.is_empty() {
            return None;
        }
        Some(Self(String::from_utf8_lossy(value.as_bytes()).into_owned()))
    }

    /// The id as the application sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LastEventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<LastEventId> for String {
    fn from(id: LastEventId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(value: &'static [u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(value).unwrap();
        LastEventId::of(&HeaderMap::from_iter([(LAST_EVENT_ID.clone(), value)])).map(String::from)
    }

    #[test]
    fn id_is_read_as_the_browser_sent_it() {
        assert_eq!(of(b"7").as_deref(), Some("7"));
        assert_eq!(of("é".as_bytes()).as_deref(), Some("é"));
        assert_eq!(of(b"a\xff").as_deref(), Some("a\u{fffd}"));
    }

    #[test]
    fn first_connection_has_none() {
        assert_eq!(LastEventId::of(&HeaderMap::new()), None);
        assert_eq!(of(b""), None);
    }
}
