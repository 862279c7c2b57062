//! What must hold for whatever a WebSocket peer sends.

use crate::Output;
use crate::ws::handshake::{ClientHandshake, Offer};
use crate::ws::{
    Config, Connection, Event, MaskKeys, Message, Phase, deflate,
    frame::{self, Head, Opcode},
};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use std::{sync::Arc, time::Instant};

/// Small, so that short inputs reach it.
const LIMIT: usize = 1000;

/// The two ends of a connection, which may have agreed on compression with context takeover.
#[derive(Debug)]
pub struct Pair {
    /// The client's end.
    pub client: Connection,
    /// The server's end.
    pub server: Connection,
}

impl Pair {
    /// Two ends with these limits; `deflate` is what both want.
    pub fn new(config: &Config, deflate: Option<deflate::Config>, now: Instant) -> Self {
        let mut handshake = ClientHandshake::new([7; 16]);
        if let Some(deflate) = &deflate {
            handshake = handshake.deflate(deflate.clone());
        }
        let mut request = Request::new(());
        *request.headers_mut() = handshake.headers();
        let offer = Offer::read(&request).expect("is a handshake");
        let accepted = offer
            .accept(None, deflate.as_ref())
            .expect("chooses no subprotocol");
        let established = handshake
            .read_answer(accepted.status, &accepted.headers)
            .expect("is an answer");
        assert_eq!(established.deflate, accepted.deflate);
        let config = Arc::new(Config {
            deflate,
            ..config.clone()
        });
        let mut key = 0_u32;
        let mask_keys = MaskKeys::new(move || {
            key = key.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            key.to_be_bytes()
        });
        Self {
            client: Connection::client(config.clone(), established.deflate, mask_keys, now),
            server: Connection::server(config, accepted.deflate, now),
        }
    }

    fn of_kind(kind: u8, max: usize, now: Instant) -> Self {
        let takeover = kind & 4 != 0;
        let deflate = (kind & 2 != 0).then(|| deflate::Config {
            threshold: 0,
            server_context_takeover: takeover,
            client_context_takeover: takeover,
            server_window: deflate::WindowBits::new(9 + (kind >> 3) % 7).expect("9 to 15"),
            ..deflate::Config::default()
        });
        let config = Config {
            max_frame: max,
            max_message: max,
            ..Config::default()
        };
        Self::new(&config, deflate, now)
    }
}

/// Everything a connection makes of an input that arrives in pieces of these sizes, over and over.
pub fn observe(
    connection: &mut Connection,
    mut input: &[u8],
    pieces: &[usize],
    now: Instant,
) -> (Vec<Event>, Vec<u8>, Phase) {
    let mut events = Vec::new();
    let mut pieces = pieces.iter().copied().filter(|size| *size > 0).cycle();
    while !input.is_empty() {
        let size = pieces.next().unwrap_or(usize::MAX).min(input.len());
        let (mut piece, rest) = input.split_at(size);
        while !piece.is_empty() {
            let read = connection.handle_input(piece, now);
            assert!(read > 0, "an input is not read though no event waits");
            piece = &piece[read..];
            events.extend(std::iter::from_fn(|| connection.poll_event()));
        }
        input = rest;
    }
    let mut out = Output::default();
    connection.poll_transmit(&mut out, now);
    (events, out.take(usize::MAX).into(), connection.phase())
}

/// Any input has the same effect however it is cut, and no message exceeds the limit.
pub fn frames(input: &[u8]) {
    let Some((&[kind, cut], input)) = input.split_first_chunk() else {
        return;
    };
    let now = Instant::now();
    let run = |pieces: &[usize]| {
        let Pair { client, server } = Pair::of_kind(kind, LIMIT, now);
        let mut end = if kind & 1 == 0 { server } else { client };
        observe(&mut end, input, pieces, now)
    };
    let whole = run(&[]);
    assert_eq!(whole, run(&[1]));
    assert_eq!(whole, run(&[usize::from(cut), 3]));
    for event in &whole.0 {
        if let Event::Message(message) = event {
            assert!(message.len() <= LIMIT);
        }
    }
}

/// What one end sends is what the other gets, both ways, compressed or not.
pub fn messages(input: &[u8]) {
    let Some((&[kind, cut], input)) = input.split_first_chunk() else {
        return;
    };
    let now = Instant::now();
    let Pair {
        mut client,
        mut server,
    } = Pair::of_kind(kind, 3 * input.len(), now);
    let (before, after) = input.split_at(usize::from(cut).min(input.len()));
    let text = String::from_utf8_lossy(before);
    let control = &before[..before.len().min(125)];
    let sent = [
        Message::binary(after.to_vec()),
        Message::text(&*text),
        Message::Ping(control.to_vec().into()),
        Message::binary(input.to_vec()),
        Message::Pong(control.to_vec().into()),
        Message::binary(input.to_vec()),
    ];
    for (from, to) in [(0, 1), (1, 0)] {
        let ends = [&mut client, &mut server];
        let mut out = Output::default();
        for message in &sent {
            let sent = ends[from].send(message.clone(), &mut out, now);
            sent.expect("the connection is open");
        }
        let mut bytes = Vec::new();
        while !out.is_empty() {
            bytes.extend_from_slice(&out.take(usize::MAX));
        }
        let (events, ..) = observe(ends[to], &bytes, &[usize::from(cut), 3], now);
        let expected: Vec<_> = sent.iter().cloned().map(Event::Message).collect();
        assert_eq!(events, expected);
    }
}

/// Any headers are answered, and by what a client of ours understands.
pub fn handshake(input: &[u8]) {
    let mut handshake = ClientHandshake::new([7; 16]).deflate(deflate::Config::default());
    let mut request = Request::new(());
    *request.headers_mut() = handshake.headers();
    for line in input.split(|byte| *byte == b'\n') {
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&b"sec-websocket-extensions"[..], line),
        };
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            if name == "sec-websocket-protocol"
                && let Ok(Ok(offered)) = value
                    .to_str()
                    .map(|name| handshake.clone().subprotocol(name))
            {
                handshake = offered;
            }
            request.headers_mut().append(name, value);
        }
    }
    let _ = handshake.read_answer(StatusCode::SWITCHING_PROTOCOLS, request.headers());
    match Offer::read(&request) {
        Ok(offer) => {
            let protocol = offer.subprotocols().next();
            let accepted = offer
                .accept(protocol, Some(&deflate::Config::default()))
                .expect("it was offered");
            assert_eq!(accepted.status, 101);
        }
        Err(error) => assert!(error.response().status().is_client_error()),
    }
}

/// Any compressed payload ends in a message within the limit or in a Close, however it is cut;
/// and any payload comes back as it was, whatever its window.
pub fn inflate(input: &[u8]) {
    let Some((&[kind, cut], payload)) = input.split_first_chunk() else {
        return;
    };
    let cut = usize::from(cut).min(payload.len());
    let mut bytes = Vec::new();
    for (opcode, fin, part) in [
        (Opcode::Binary, false, &payload[..cut]),
        (Opcode::Continuation, true, &payload[cut..]),
    ] {
        let head = Head {
            fin,
            compressed: opcode == Opcode::Binary,
            mask: Some([kind, 1, 2, 3]),
            ..Head::whole(opcode, 0)
        };
        frame::write(head, part, &mut bytes);
    }
    let now = Instant::now();
    let run = |pieces: &[usize]| {
        let mut end = Pair::of_kind(2 | kind & !1, LIMIT, now).server;
        observe(&mut end, &bytes, pieces, now)
    };
    let whole = run(&[]);
    assert_eq!(whole, run(&[1]));
    assert_eq!(whole.0.len(), 1);
    messages(&[&[kind | 2, 7], payload].concat());
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: [&[u8]; 12] = [
        b"",
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        b"\x01\x03Hel\x80\x02lo\x89\x05Hello",
        b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x05\xf2\x00\x11\x00\x00",
        b"\xc1\x87\0\0\0\0\xf2\x48\xcd\xc9\xc9\x07\x00\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00",
        b"\x88\x82\0\0\0\0\x03\xe8\x81",
        b"\x82\xff\0\0\0\0\0\x01\0\x01\0\0\0\0",
        b"\x81\x83\0\0\0\0\xed\xa0\x80",
        b"\xf2\x48\xcd\xc9\xc9\x07\x00",
        b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        b"\x07\xff\xff",
    ];

    fn each(rule: fn(&[u8])) {
        for input in NASTY {
            for kind in 0..=255 {
                rule(&[&[kind, kind % 7], input].concat());
            }
        }
        rule(&[3]);
    }

    #[test]
    fn nasty_inputs_are_read_the_same_however_cut() {
        each(frames);
    }

    #[test]
    fn nasty_messages_arrive() {
        each(messages);
    }

    #[test]
    fn nasty_payloads_inflate_the_same_however_cut() {
        each(inflate);
    }

    #[test]
    fn nasty_headers_are_answered() {
        for extensions in [
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=\"1\\5\", x; y=\"",
            "permessage-deflate;;,",
            "sec-websocket-protocol:a\nsec-websocket-protocol:b, c",
            "sec-websocket-key:x\nupgrade:x\n\u{e9}",
        ] {
            handshake(extensions.as_bytes());
        }
    }
}
