//! The bytes that RFC 6455 prints.

use super::*;

#[test]
fn the_examples_of_rfc_6455_section_5_7() {
    let now = Instant::now();
    let hello = || Event::Message("Hello".into());
    let mut client = client(Config::default(), now);
    assert_eq!(events(&mut client, b"\x81\x05Hello", now), [hello()]);
    assert_eq!(
        events(&mut client, b"\x01\x03Hel\x80\x02lo", now),
        [hello()]
    );
    let ping = Event::Message(Message::Ping("Hello".into()));
    assert_eq!(events(&mut client, b"\x89\x05Hello", now), [ping]);

    let mut server = server(
        Config {
            max_message: 65536,
            ..Config::default()
        },
        now,
    );
    let masked = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(events(&mut server, masked, now), [hello()]);
    let pong = b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(
        events(&mut server, pong, now),
        [Event::Message(Message::Pong("Hello".into()))]
    );
    assert_eq!(sent(&mut server, "Hello", now), b"\x81\x05Hello");
    assert_eq!(
        sent(&mut server, vec![0; 256], now)[..4],
        *b"\x82\x7e\x01\x00"
    );
    assert_eq!(
        sent(&mut server, vec![0; 65536], now)[..10],
        *b"\x82\x7f\0\0\0\0\0\x01\0\0"
    );
    // The key of the RFC's example is the first of this client.
    assert_eq!(sent(&mut client, "Hello", now), masked);
}

#[test]
fn a_ping_between_fragments_is_answered_with_its_payload() {
    let now = Instant::now();
    let mut server = server(Config::default(), now);
    let input = masked(&[
        (false, Opcode::Text, b"Hel"),
        (true, Opcode::Ping, b"are you there"),
        (true, Opcode::Continuation, b"lo"),
    ]);
    assert_eq!(
        events(&mut server, &input, now),
        [
            Event::Message(Message::Ping("are you there".into())),
            Event::Message("Hello".into()),
        ]
    );
    assert_eq!(transmitted(&mut server, now), b"\x8a\x0dare you there");
}

#[test]
fn of_many_pings_the_newest_is_answered() {
    let now = Instant::now();
    let mut server = server(Config::default(), now);
    let input = masked(&[(true, Opcode::Ping, b"a"), (true, Opcode::Ping, b"b")]);
    assert_eq!(events(&mut server, &input, now).len(), 2);
    assert_eq!(transmitted(&mut server, now), b"\x8a\x01b");
    assert_eq!(transmitted(&mut server, now), b"");
}
