//! An event with everything it may have.

use std::time::Duration;

use serde::Serialize;

use super::field::{check_event, check_id, write_line};
use super::{write_comment, write_data, write_end};

/// An event: any of data, id, event name, retry and comment.
///
/// ```
/// use encke_proto::sse::Event;
///
/// let mut out = Vec::new();
/// Event::new().event("news")?.id("7")?.data("kiki\nfoo").write(&mut out);
/// assert_eq!(out, b"event: news\nid: 7\ndata: kiki\ndata: foo\n\n");
/// # Ok::<(), encke_proto::sse::InvalidEvent>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    event: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
    data: Option<String>,
    comment: Option<String>,
}

impl Event {
    /// An event with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the data; CRLF, CR and LF each are one line break, which browsers give back as LF.
    #[must_use]
    pub fn data(mut self, data: impl Into<String>) -> Self {
        self.data = Some(data.into());
        self
    }

    /// Sets the data to the JSON of `value`.
    ///
    /// # Errors
    ///
    /// When `value` cannot be serialized as JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, InvalidEvent> {
        let json = serde_json::to_string(value).map_err(InvalidEvent::Json)?;
        Ok(self.data(json))
    }

    /// Sets the id, which the browser sends back as `Last-Event-ID` when it reconnects.
    ///
    /// Firefox and WebKit ignore it in an event without data.
    ///
    /// # Errors
    ///
    /// When `id` contains a line break or NUL.
    pub fn id(mut self, id: impl Into<String>) -> Result<Self, InvalidEvent> {
        let id = id.into();
        check_id(&id)?;
        self.id = Some(id);
        Ok(self)
    }

    /// Sets the name under which the page listens for it; without one it is a `message`.
    ///
    /// # Errors
    ///
    /// When `event` contains a line break or NUL.
    pub fn event(mut self, event: impl Into<String>) -> Result<Self, InvalidEvent> {
        let event = event.into();
        check_event(&event)?;
        self.event = Some(event);
        Ok(self)
    }

    /// Sets how long the browser waits before it reconnects, in whole milliseconds.
    #[must_use]
    pub fn retry(mut self, delay: Duration) -> Self {
        self.retry = Some(delay);
        self
    }

    /// Sets a comment, which browsers ignore.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Writes the event and the blank line that ends it.
    pub fn write(&self, out: &mut Vec<u8>) {
        if let Some(event) = &self.event {
            write_line("event: ", event, out);
        }
        if let Some(id) = &self.id {
            write_line("id: ", id, out);
        }
        if let Some(retry) = self.retry {
            write_line("retry: ", &retry.as_millis().to_string(), out);
        }
        if let Some(data) = &self.data {
            write_data(data, out);
        }
        if let Some(comment) = &self.comment {
            write_comment(comment, out);
        }
        write_end(out);
    }
}

/// Why an [`Event`] cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEvent {
    /// The id contains a line break or NUL.
    #[error("event id {0:?} contains a line break or NUL")]
    Id(String),
    /// The event name contains a line break or NUL.
    #[error("event name {0:?} contains a line break or NUL")]
    Event(String),
    /// The data cannot be serialized as JSON.
    #[error("event data cannot be serialized as JSON")]
    Json(#[source] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(event: &Event) -> String {
        let mut out = Vec::new();
        event.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_come_in_the_order_of_play() -> Result<(), InvalidEvent> {
        let event = Event::new()
            .comment("bar")
            .data("kiki")
            .retry(Duration::from_millis(1500))
            .id("7")?
            .event("foo")?;
        assert_eq!(
            written(&event),
            "event: foo\nid: 7\nretry: 1500\ndata: kiki\n: bar\n\n"
        );
        Ok(())
    }

    #[test]
    fn each_kind_of_line_break_is_one() {
        assert_eq!(
            written(&Event::new().data("a\r\nb\rc\nd")),
            "data: a\ndata: b\ndata: c\ndata: d\n\n"
        );
        assert_eq!(
            written(&Event::new().data("a\n\r\n\r")),
            "data: a\ndata: \ndata: \ndata: \n\n"
        );
        assert_eq!(written(&Event::new().comment("a\r\nb")), ": a\n: b\n\n");
    }

    #[test]
    fn empty_and_absent_data_differ() {
        assert_eq!(written(&Event::new().data("")), "data: \n\n");
        assert_eq!(written(&Event::new()), "\n");
        assert_eq!(
            written(&Event::new().comment("")).as_bytes(),
            crate::sse::keep_alive()
        );
    }

    #[test]
    fn id_and_name_cannot_forge_a_field() {
        for value in ["a\ndata: b", "a\r", "\0"] {
            assert!(
                matches!(Event::new().id(value), Err(InvalidEvent::Id(refused)) if refused == value)
            );
            assert!(
                matches!(Event::new().event(value), Err(InvalidEvent::Event(refused)) if refused == value)
            );
        }
        assert_eq!(
            Event::new().id("a\n").unwrap_err().to_string(),
            r#"event id "a\n" contains a line break or NUL"#
        );
    }

    #[test]
    fn json_is_one_line() -> Result<(), InvalidEvent> {
        let event = Event::new().json(&serde_json::json!({"text": "a\nb"}))?;
        assert_eq!(written(&event), "data: {\"text\":\"a\\nb\"}\n\n");
        Ok(())
    }
}
