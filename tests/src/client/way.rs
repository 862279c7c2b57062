//! The ways to listen, and what each looks like on the wire.

/// A way to listen, and what a browser sends for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Server-Sent Events.
    Sse,
    /// A JSON item a line.
    Ndjson,
    /// Script elements of a forever iframe.
    Comet,
    /// A WebSocket, a JSON item a message.
    WebSocket,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sse, Self::Ndjson, Self::Comet, Self::WebSocket];

    /// What follows `GET /live/NAME?`.
    pub(super) fn query(self) -> &'static str {
        match self {
            Self::Sse => "transport=sse",
            Self::Ndjson => "transport=ndjson",
            Self::Comet => "callback=parent.cometMessage",
            Self::WebSocket => "transport=ws&envelope=1",
        }
    }

    pub(super) fn headers(self) -> &'static str {
        match self {
            Self::WebSocket => {
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            }
            _ => "",
        }
    }

    pub(super) fn status(self) -> &'static str {
        match self {
            Self::WebSocket => " 101 ",
            _ => " 200 ",
        }
    }

    /// What a position stands between. The first word of a session has one.
    pub(super) fn around_position(self) -> (&'static str, char) {
        match self {
            Self::Sse => ("\nid: ", '\n'),
            Self::Ndjson | Self::WebSocket => ("\"position\":\"", '"'),
            Self::Comet => ("position:'", '\''),
        }
    }

    /// With what an item is whole: half of one is nothing to a client whose connection is cut.
    pub(super) fn item_end(self) -> &'static str {
        match self {
            Self::Sse => "\n\n",
            Self::Ndjson => "\n",
            Self::Comet => "</script>",
            Self::WebSocket => "}",
        }
    }
}
