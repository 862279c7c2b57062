//! Server-Sent Events: one event as the bytes of a `text/event-stream`.
//!
//! No text can forge a field or an event: data and comments are split into lines, and an id or
//! event name with a line break or NUL is an error.

use std::time::Duration;

use serde::Serialize;

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

/// The bytes that keep a connection alive: an event with nothing but an empty comment.
pub const fn keep_alive() -> &'static [u8] {
    b": \n\n"
}

/// Writes the `event:` line.
///
/// # Errors
///
/// When `event` contains a line break or NUL; nothing is written then.
pub fn write_event(event: &str, out: &mut Vec<u8>) -> Result<(), InvalidEvent> {
    check_event(event)?;
    write_line("event: ", event, out);
    Ok(())
}

/// Writes the `id:` line.
///
/// # Errors
///
/// When `id` contains a line break or NUL; nothing is written then.
pub fn write_id(id: &str, out: &mut Vec<u8>) -> Result<(), InvalidEvent> {
    check_id(id)?;
    write_line("id: ", id, out);
    Ok(())
}

/// Writes the `id:` line of a position token, which holds nothing that an id may not.
pub(crate) fn write_token(token: &str, out: &mut Vec<u8>) {
    write_line("id: ", token, out);
}

/// Writes the `data:` lines of `text`, at least one.
pub fn write_data(text: &str, out: &mut Vec<u8>) {
    lines(text).for_each(|line| write_line("data: ", line, out));
}

/// Writes the comment lines of `text`, at least one.
pub fn write_comment(text: &str, out: &mut Vec<u8>) {
    lines(text).for_each(|line| write_line(": ", line, out));
}

/// Writes the blank line that ends an event.
pub fn write_end(out: &mut Vec<u8>) {
    out.push(b'\n');
}

fn write_line(field: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(field.as_bytes());
    out.extend_from_slice(value.as_bytes());
    out.push(b'\n');
}

/// The lines of a text, an empty one after a line break at its end.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let after = &text[end..];
        rest = Some(after.strip_prefix("\r\n").unwrap_or_else(|| &after[1..]));
        Some(&text[..end])
    })
}

fn check_id(id: &str) -> Result<(), InvalidEvent> {
    if breaks_field(id) {
        Err(InvalidEvent::Id(id.into()))
    } else {
        Ok(())
    }
}

fn check_event(event: &str) -> Result<(), InvalidEvent> {
    if breaks_field(event) {
        Err(InvalidEvent::Event(event.into()))
    } else {
        Ok(())
    }
}

/// "If the field value does not contain U+0000 NULL, then set the last event ID buffer to the
/// field value. Otherwise, ignore the field." (HTML, 9.2.6)
fn breaks_field(value: &str) -> bool {
    value.contains(['\r', '\n', '\0'])
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
