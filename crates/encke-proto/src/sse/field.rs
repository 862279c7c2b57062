//! The lines of an event stream, for those who keep the parts of an event apart.

use super::InvalidEvent;

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

pub(super) fn write_line(field: &str, value: &str, out: &mut Vec<u8>) {
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

pub(super) fn check_id(id: &str) -> Result<(), InvalidEvent> {
    if breaks_field(id) {
        Err(InvalidEvent::Id(id.into()))
    } else {
        Ok(())
    }
}

pub(super) fn check_event(event: &str) -> Result<(), InvalidEvent> {
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
