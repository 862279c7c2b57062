//! How connections end, and with which bytes.

use super::*;

fn open() -> (Connection, Instant) {
    let now = Instant::now();
    (server(Config::default(), now), now)
}

/// What the application learns and what the peer gets for this input.
fn end_of(input: &[u8]) -> (Vec<Event>, Vec<u8>) {
    let (mut server, now) = open();
    let events = events(&mut server, input, now);
    (events, transmitted(&mut server, now))
}

fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
    frame::encode(Opcode::Close, &payload).into()
}

#[test]
fn a_peers_close_is_echoed_with_code_and_reason() {
    let input = masked(&[(true, Opcode::Close, b"\x0f\xa1later")]);
    let (events, sent) = end_of(&input);
    assert_eq!(events, [closed(4001, "later", true)]);
    assert_eq!(sent, close_frame(4001, "later"));
}

#[test]
fn an_empty_close_is_echoed_empty_and_shown_as_1005() {
    let (events, sent) = end_of(&masked(&[(true, Opcode::Close, b"")]));
    assert_eq!(events, [closed(1005, "", true)]);
    assert_eq!(sent, b"\x88\0");
}

#[test]
fn nothing_is_read_behind_a_peers_close() {
    let (events, _) = end_of(&masked(&[
        (true, Opcode::Close, b"\x03\xe8"),
        (true, Opcode::Text, b"late"),
        (false, Opcode::Ping, b""),
    ]));
    assert_eq!(events, [closed(1000, "", true)]);
}

#[test]
fn breaches_of_the_protocol_end_in_1002() {
    let masked_ping = |length: u8| [0x89, 0x80 | length, 0, 0, 0, 0];
    for (input, reason) in [
        (&b"\xc1\x80\0\0\0\0"[..], "Reserved bits are set"),
        (b"\xa1\x80\0\0\0\0", "Reserved bits are set"),
        (b"\x91\x80\0\0\0\0", "Reserved bits are set"),
        (b"\xc9\x80\0\0\0\0", "Reserved bits are set"),
        (b"\x83\x80\0\0\0\0", "Unknown opcode 3"),
        (b"\x8b\x80\0\0\0\0", "Unknown opcode 11"),
        (b"\x81\x05Hello", "Frames of a client must be masked"),
        (
            b"\x81\xfe\x00\x7d\0\0\0\0",
            "Length is not in its shortest form",
        ),
        (
            b"\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0",
            "Length is not in its shortest form",
        ),
        (
            b"\x81\xff\x80\0\0\0\0\0\0\x01\0\0\0\0",
            "Length has its first bit set",
        ),
        (b"\x09\x80\0\0\0\0", "Control frame is fragmented"),
        (&masked_ping(126), "Control frame of more than 125 bytes"),
        (b"\x80\x80\0\0\0\0", "Continuation without a beginning"),
        (
            b"\x01\x80\0\0\0\0\x81\x80\0\0\0\0",
            "New message within a fragmented one",
        ),
        (b"\x88\x81\0\0\0\0\x03", "Close frame of one byte"),
        (b"\x88\x82\0\0\0\0\x03\xed", "Invalid close code 1005"),
        (b"\x88\x82\0\0\0\0\x03\xe7", "Invalid close code 999"),
        (b"\x88\x82\0\0\0\0\x13\x88", "Invalid close code 5000"),
    ] {
        let (events, sent) = end_of(input);
        assert_eq!(events, [closed(1002, reason, false)], "{input:x?}");
        assert_eq!(sent, close_frame(1002, reason));
    }
}

#[test]
fn a_client_takes_no_masked_frame() {
    let now = Instant::now();
    let mut client = client(Config::default(), now);
    let input = masked(&[(true, Opcode::Text, b"")]);
    let reason = "Frames of a server must not be masked";
    assert_eq!(
        events(&mut client, &input, now),
        [closed(1002, reason, false)]
    );
    assert_eq!(transmitted(&mut client, now)[..2], [0x88, 0x80 | 39]);
}

#[test]
fn text_fails_at_the_first_bad_byte() {
    for (bad, at) in [
        (&b"a\xff"[..], 1),
        (b"\xce\xba\xed\xa0\x80", 3),
        (b"\xf4\x90\x80\x80", 1),
        (b"\xc0\x80", 0),
        (b"\xe0\x80\x80", 1),
    ] {
        let (mut server, now) = open();
        let long = masked(&[(false, Opcode::Text, &[bad, &[b'x'; 100]].concat())]);
        let (before, behind) = long.split_at(6 + at);
        assert_eq!(events(&mut server, before, now), []);
        assert_eq!(
            events(&mut server, &behind[..1], now),
            [closed(1007, "Text is not UTF-8", false)],
            "{bad:x?}"
        );
        assert_eq!(
            transmitted(&mut server, now),
            close_frame(1007, "Text is not UTF-8")
        );
    }
}

#[test]
fn a_character_may_lie_across_fragments_but_not_across_messages() {
    let split = |end| {
        masked(&[
            (false, Opcode::Text, b"\xe2\x82"),
            (true, Opcode::Ping, b""),
            (true, Opcode::Continuation, end),
        ])
    };
    assert_eq!(end_of(&split(b"\xac")).0[1], Event::Message("€".into()));
    let bad = closed(1007, "Text is not UTF-8", false);
    assert_eq!(end_of(&split(b"")).0[1], bad);
    assert_eq!(
        end_of(&masked(&[(true, Opcode::Text, b"\xe2\x82")])).0,
        [bad]
    );
}

#[test]
fn a_close_of_ours_is_the_last_that_is_sent() {
    let (mut server, now) = open();
    let frame = CloseFrame::new(CloseCode::NORMAL, "bye");
    assert_eq!(sent(&mut server, frame, now), close_frame(1000, "bye"));
    assert_eq!(server.phase(), Phase::Closing);
    let mut out = Output::default();
    assert_eq!(
        server.send("late".into(), &mut out, now),
        Err(SendError::Closed)
    );
    let shared = Shared::text("late");
    assert_eq!(
        server.send_shared(&shared, &mut out, now),
        Err(SendError::Closed)
    );
    assert!(out.is_empty());

    let input = masked(&[
        (true, Opcode::Text, b"before it read ours"),
        (true, Opcode::Ping, b""),
        (true, Opcode::Close, b"\x03\xe8bye"),
    ]);
    let events = events(&mut server, &input, now);
    assert_eq!(events[0], Event::Message("before it read ours".into()));
    assert_eq!(events[2], closed(1000, "bye", true));
    assert_eq!(transmitted(&mut server, now), b"");
    assert_eq!(server.phase(), Phase::Draining);
    server.handle_end();
    assert_eq!(server.phase(), Phase::Ended);
    assert_eq!(server.poll_event(), None);
}

#[test]
fn a_bad_answer_to_our_close_gets_none() {
    let (mut server, now) = open();
    let _ = sent(&mut server, Message::Close(None), now);
    let events = events(&mut server, b"\xff", now);
    assert_eq!(events, [closed(1006, "Unknown opcode 15", false)]);
    assert_eq!(transmitted(&mut server, now), b"");
    assert_eq!(server.phase(), Phase::Draining);
}

#[test]
fn a_lost_connection_is_1006_for_the_application_and_nothing_for_the_peer() {
    let (mut server, now) = open();
    server.handle_end();
    let lost = closed(1006, "Connection closed abnormally", false);
    assert_eq!(server.poll_event(), Some(lost));
    assert_eq!(server.poll_event(), None);
    assert_eq!(transmitted(&mut server, now), b"");
    assert_eq!(server.phase(), Phase::Ended);
}

#[test]
fn a_peer_that_closes_its_half_behind_its_close_gets_the_answer() {
    let (mut server, now) = open();
    let input = masked(&[(true, Opcode::Close, b"\x03\xe8")]);
    assert_eq!(events(&mut server, &input, now), [closed(1000, "", true)]);
    server.handle_end();
    assert_eq!(transmitted(&mut server, now), close_frame(1000, ""));
    server.handle_end();
    assert_eq!(server.phase(), Phase::Ended);
}

#[test]
fn codes_that_only_applications_see_are_not_sent() {
    let (mut server, now) = open();
    let mut out = Output::default();
    for code in [
        CloseCode::NO_STATUS,
        CloseCode::ABNORMAL,
        CloseCode::TLS_HANDSHAKE,
    ] {
        let close = Message::Close(Some(code.into()));
        let refused = server.send(close, &mut out, now);
        assert_eq!(refused, Err(SendError::CloseCode(code)));
    }
    assert!(out.is_empty() && server.can_send());
}
