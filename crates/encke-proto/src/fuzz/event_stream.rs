//! Reads an event stream as HTML, section 9.2.6, tells browsers to.

/// What a browser dispatches.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Lines joined by LF.
    pub data: String,
    /// Empty for an event without a name.
    pub event: String,
    /// The last event id.
    pub id: String,
}

/// A browser's end of an event stream; it takes the bytes in any pieces.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    after_cr: bool,
    next: Message,
    /// The last event id.
    pub id: String,
    /// The reconnection time in milliseconds.
    pub retry: Option<u64>,
    /// What was dispatched.
    pub messages: Vec<Message>,
    /// Lines a browser ignores.
    pub comments: Vec<String>,
}

impl Reader {
    /// Takes the next bytes.
    pub fn read(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let ends_crlf = byte == b'\n' && self.after_cr;
            self.after_cr = byte == b'\r';
            match byte {
                _ if ends_crlf => {}
                b'\r' | b'\n' => {
                    let line =
                        String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                    self.read_line(&line);
                }
                _ => self.line.push(byte),
            }
        }
    }

    fn read_line(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            _ if line.is_empty() => self.dispatch(),
            "" => self.comments.push(value.into()),
            "event" => self.next.event = value.into(),
            "data" => {
                self.next.data.push_str(value);
                self.next.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = value.into(),
            "retry" => self.retry = value.parse().ok().or(self.retry),
            _ => {}
        }
    }

    fn dispatch(&mut self) {
        let mut message = std::mem::take(&mut self.next);
        // "If the data buffer is an empty string, set the data buffer and the event type buffer to
        // the empty string and return." A line without text has left its LF there.
        if message.data.pop().is_some() {
            message.id.clone_from(&self.id);
            self.messages.push(message);
        }
    }
}
