//! The transports, as a client asks for them and as bytes of the simplest server.

use clap::ValueEnum;

use crate::ws;

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Transport {
    Ws,
    Sse,
    Comet,
    Ndjson,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Sse => "sse",
            Self::Comet => "comet",
            Self::Ndjson => "ndjson",
        }
    }

    /// What a client accepts.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Ws => "*/*",
            Self::Sse => "text/event-stream",
            Self::Comet => "text/html",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// Appends a message as it goes over the wire, with the least around it: a WebSocket frame, or a
    /// chunk.
    pub(crate) fn encode(self, message: &[u8], into: &mut Vec<u8>) {
        let (before, after): (&[u8], &[u8]) = match self {
            Self::Ws => {
                ws::head(ws::TEXT, message.len(), into);
                into.extend_from_slice(message);
                return;
            }
            Self::Sse => (b"data: ", b"\n\n"),
            Self::Comet => (b"<script>parent.push('", b"')</script>\n"),
            Self::Ndjson => (b"{\"data\":\"", b"\"}\n"),
        };
        let length = before.len() + message.len() + after.len();
        into.extend_from_slice(format!("{length:x}\r\n").as_bytes());
        for part in [before, message, after, b"\r\n"] {
            into.extend_from_slice(part);
        }
    }
}
