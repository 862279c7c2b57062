//! Server-Sent Events: one event as the bytes of a `text/event-stream`.
//!
//! No text can forge a field or an event: data and comments are split into lines, and an id or
//! event name with a line break or NUL is an error.

mod event;
pub use event::{Event, InvalidEvent};

mod field;
pub(crate) use field::write_token;
pub use field::{keep_alive, write_comment, write_data, write_end, write_event, write_id};
