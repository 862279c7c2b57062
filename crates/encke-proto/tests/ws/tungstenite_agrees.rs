//! tungstenite and we make the same of any input.

use crate::generated::{any_bytes, any_data, any_input};
use encke_proto::{
    Output,
    fuzz::websocket::{Pair, observe},
    ws::{CloseCode, Closed, Config, Event, Message},
};
use proptest::prelude::*;
use std::{
    io::{self, Cursor, Read, Write},
    time::Instant,
};
use tungstenite::{
    Error,
    error::ProtocolError,
    protocol::{Role, WebSocket, WebSocketConfig},
};

const LIMIT: usize = 1 << 20;

/// How reading ended, as far as both can tell it.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The input did.
    Input,
    /// The peer said Close, with this code.
    Close(Option<u16>),
    /// The input breaks the protocol.
    Protocol,
    Utf8,
    TooBig,
}

/// Messages, end and the reason in our Close.
fn ours(input: &[u8]) -> (Vec<Message>, End, String) {
    let now = Instant::now();
    let config = Config {
        max_frame: LIMIT,
        max_message: LIMIT,
        ..Config::default()
    };
    let mut server = Pair::new(&config, None, now).server;
    let (events, ..) = observe(&mut server, input, &[], now);
    let (mut messages, mut end, mut why) = (Vec::new(), End::Input, String::new());
    for event in events {
        match event {
            Event::Message(message) => messages.push(message),
            Event::Closed(Closed {
                code, clean: true, ..
            }) => {
                end = End::Close((code != CloseCode::NO_STATUS).then(|| code.get()));
            }
            Event::Closed(Closed {
                code: CloseCode::INCONSISTENT_DATA,
                ..
            }) => end = End::Utf8,
            Event::Closed(Closed {
                code: CloseCode::TOO_BIG,
                ..
            }) => end = End::TooBig,
            Event::Closed(closed) => {
                assert_eq!(closed.code, CloseCode::PROTOCOL_ERROR);
                (end, why) = (End::Protocol, closed.reason);
            }
        }
    }
    (messages, end, why)
}

struct Socket<'i>(Cursor<&'i [u8]>);

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(input: &[u8], role: Role) -> (Vec<Message>, End) {
    let config = WebSocketConfig::default()
        .max_frame_size(Some(LIMIT))
        .max_message_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Socket(Cursor::new(input)), role, Some(config));
    let mut messages = Vec::new();
    loop {
        let message = match socket.read() {
            Ok(tungstenite::Message::Text(text)) => Message::text(text.as_str()),
            Ok(tungstenite::Message::Binary(bytes)) => Message::Binary(bytes),
            Ok(tungstenite::Message::Ping(payload)) => Message::Ping(payload),
            Ok(tungstenite::Message::Pong(payload)) => Message::Pong(payload),
            Ok(tungstenite::Message::Close(frame)) => {
                return (messages, End::Close(frame.map(|frame| frame.code.into())));
            }
            Ok(other) => panic!("{other} is not read from a peer"),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => {
                return (messages, End::Input);
            }
            Err(Error::Capacity(_)) => return (messages, End::TooBig),
            Err(Error::Protocol(_)) => return (messages, End::Protocol),
            Err(Error::Utf8(_)) => return (messages, End::Utf8),
            Err(error) => panic!("{error}"),
        };
        messages.push(message);
    }
}

/// Asserts that both make the same of it, but for where we judged that our way is right.
fn agree(input: &[u8]) -> Result<(), TestCaseError> {
    let (our_messages, our_end, why) = ours(input);
    let (their_messages, their_end) = theirs(input, Role::Server);
    // "the minimal number of bytes MUST be used to encode the length" (RFC 6455, 5.2): it reads on.
    if why == "Length is not in its shortest form" || why == "Control frame of more than 125 bytes"
    {
        prop_assert!(their_messages.starts_with(&our_messages));
        return Ok(());
    }
    prop_assert_eq!(our_messages, their_messages);
    match (our_end, their_end) {
        // It looks at a head when it is complete, and at a text when its frame is.
        (End::Protocol | End::Utf8, End::Input) => {}
        // It shows a Close with a bad code as one with the code of its answer, and looks at the
        // reason before the code.
        (End::Protocol, End::Close(Some(1002)) | End::Utf8)
            if why.starts_with("Invalid close code") => {}
        // It does not know 1014, which was registered after RFC 6455.
        (End::Close(Some(1014)), End::Close(Some(1002))) => {}
        // It compares lengths with its limit before it looks at what else is wrong.
        (End::Protocol, End::TooBig) => {}
        (our_end, their_end) => prop_assert_eq!(our_end, their_end, "{}", why),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn on_frames(input in any_input()) {
        agree(&input)?;
    }

    #[test]
    fn on_noise(input in any_bytes()) {
        agree(&input)?;
    }
    #[test]
    fn on_what_we_send(data in prop::collection::vec(any_data(), 0..5)) {
        let now = Instant::now();
        let Pair { mut client, mut server } = Pair::new(&Config::default(), None, now);
        for (end, role) in [(&mut client, Role::Server), (&mut server, Role::Client)] {
            let mut out = Output::default();
            let close = Message::Close(Some(CloseCode::NORMAL.into()));
            for message in data.iter().cloned().chain([Message::Ping("?".into()), close]) {
                end.send(message, &mut out, now).unwrap();
            }
            let mut bytes = Vec::new();
            while !out.is_empty() {
                bytes.extend_from_slice(&out.take(usize::MAX));
            }
            let (mut read, end) = theirs(&bytes, role);
            prop_assert_eq!(read.pop(), Some(Message::Ping("?".into())));
            prop_assert_eq!(&read, &data);
            prop_assert_eq!(end, End::Close(Some(1000)));
        }
    }
}
