//! Messages through permessage-deflate.

use super::*;

fn compressing(takeover: bool) -> deflate::Config {
    deflate::Config {
        threshold: 0,
        server_context_takeover: takeover,
        client_context_takeover: takeover,
        ..deflate::Config::default()
    }
}

#[test]
fn the_examples_of_rfc_7692_section_7_2_3() {
    let now = Instant::now();
    let hello = || Event::Message("Hello".into());
    let (mut client, _) = deflating_pair(compressing(true), now);
    // 7.2.3.1, in one frame and in two
    let one = b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00";
    assert_eq!(events(&mut client, one, now), [hello()]);
    let two = b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00";
    assert_eq!(events(&mut client, two, now), [hello()]);
    // 7.2.3.2, which refers to the message before
    assert_eq!(
        events(&mut client, b"\xc1\x05\xf2\x00\x11\x00\x00", now),
        [hello()]
    );
    // 7.2.3.3, without compression
    let stored = b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    assert_eq!(events(&mut client, stored, now), [hello()]);
    // 7.2.3.4, a block that says it is the last
    let last = b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00";
    assert_eq!(events(&mut client, last, now), [hello()]);
    // 7.2.3.5, two blocks
    let blocks = b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    assert_eq!(events(&mut client, blocks, now), [hello()]);
    // 7.2.3.6, nothing
    assert_eq!(
        events(&mut client, b"\xc1\x01\x00", now),
        [Event::Message("".into())]
    );
}

#[test]
fn messages_refer_to_those_before_them_only_with_takeover() {
    let now = Instant::now();
    let text = "the quick brown fox jumps over the lazy dog";
    for takeover in [false, true] {
        let (mut client, mut server) = deflating_pair(compressing(takeover), now);
        let mut sizes = Vec::new();
        for _ in 0..3 {
            let bytes = sent(&mut server, text, now);
            sizes.push(bytes.len());
            assert_eq!(
                events(&mut client, &bytes, now),
                [Event::Message(text.into())]
            );
            let bytes = sent(&mut client, text, now);
            assert_eq!(
                events(&mut server, &bytes, now),
                [Event::Message(text.into())]
            );
        }
        assert_eq!(takeover, sizes[1] < 20, "{sizes:?}");
    }
}

#[test]
fn broken_compressed_bytes_end_in_1002() {
    let now = Instant::now();
    for broken in [
        // a block type that does not exist
        &b"\xc1\x81\0\0\0\0\x07"[..],
        // the end is missing
        b"\xc1\x83\0\0\0\0\xf2\x48\xcd",
        b"\xc1\x80\0\0\0\0",
        // refers to what is not there
        b"\xc1\x85\0\0\0\0\xf2\x00\x11\x00\x00",
        // stored with lengths that differ
        b"\xc1\x86\0\0\0\0\x00\x05\x00\x05\x00\x48",
    ] {
        let (_, mut server) = deflating_pair(compressing(false), now);
        let ended = events(&mut server, broken, now);
        let [Event::Closed(closed)] = &ended[..] else {
            panic!("{broken:x?} gave {ended:?}")
        };
        assert_eq!(closed.reason, "Compressed data is broken", "{broken:x?}");
        assert_eq!(transmitted(&mut server, now)[2..4], 1002_u16.to_be_bytes());
    }
}

#[test]
fn only_the_first_frame_of_a_message_says_that_it_is_compressed() {
    let now = Instant::now();
    let (_, mut server) = deflating_pair(compressing(false), now);
    let input = b"\x41\x81\0\0\0\0\xf2\xc0\x80\0\0\0\0";
    let Some(Event::Closed(closed)) = events(&mut server, input, now).pop() else {
        panic!("not closed")
    };
    assert_eq!(closed.reason, "Reserved bits are set");
}

#[test]
fn a_compressed_text_fails_at_its_first_bad_byte() {
    let now = Instant::now();
    let (_, mut server) = deflating_pair(compressing(false), now);
    // stored: "a", 0xff, "b"; the last has not come yet
    let input = b"\x41\x88\0\0\0\0\x00\x03\x00\xfc\xff\x61\xff";
    let ended = events(&mut server, input, now);
    assert_eq!(ended, [closed(1007, "Text is not UTF-8", false)]);
}

#[test]
fn short_messages_and_those_that_win_nothing_go_plain() {
    let now = Instant::now();
    let config = deflate::Config::default();
    let (_, mut server) = deflating_pair(config, now);
    assert!(server.deflates());
    assert_eq!(sent(&mut server, "a".repeat(63), now)[0], 0x81);
    assert_eq!(sent(&mut server, "a".repeat(64), now)[0], 0xc1);
    assert_eq!(
        sent(&mut server, (0..=255).collect::<Vec<u8>>(), now)[0],
        0x82
    );
    let mut out = Output::default();
    server
        .send_with("a".repeat(64).into(), false, &mut out, now)
        .unwrap();
    assert_eq!(take(&mut out)[0], 0x81);
    server
        .send_with("aaaaaaaaaa".into(), true, &mut out, now)
        .unwrap();
    assert_eq!(take(&mut out)[0], 0xc1);
}

#[test]
fn a_shared_message_goes_deflated_to_windows_that_hold_it() {
    let now = Instant::now();
    let text = "kiki foo bar ".repeat(100);
    let window = |bits| WindowBits::new(bits).unwrap();
    let shared = Shared::text(&text).deflated(deflate::Level::default(), window(12));
    for (bits, first) in [(11, 0x81), (12, 0xc1), (15, 0xc1)] {
        let own = deflate::Config {
            server_window: window(bits),
            ..compressing(false)
        };
        let (mut client, mut server) = deflating_pair(own, now);
        let mut out = Output::default();
        server.send_shared(&shared, &mut out, now).unwrap();
        let bytes = take(&mut out);
        assert_eq!(bytes[0], first);
        assert_eq!(
            events(&mut client, &bytes, now),
            [Event::Message(text.as_str().into())]
        );
    }
    let mut plain = server(Config::default(), now);
    let mut out = Output::default();
    plain.send_shared(&shared, &mut out, now).unwrap();
    assert_eq!(out.take(usize::MAX).as_ptr(), shared.frame().as_ptr());
    let (mut client, mut server) = deflating_pair(compressing(false), now);
    client.send_shared(&shared, &mut out, now).unwrap();
    let message = Event::Message(text.as_str().into());
    assert_eq!(events(&mut server, &take(&mut out), now), [message]);
}

#[test]
fn a_shared_message_between_own_ones_does_not_shift_the_context() {
    let now = Instant::now();
    let (mut client, mut server) = deflating_pair(compressing(true), now);
    let shared =
        Shared::text(&"shared ".repeat(50)).deflated(deflate::Level::default(), WindowBits::MAX);
    let mut bytes = Vec::new();
    for _ in 0..3 {
        bytes.extend(sent(&mut server, "own and own again", now));
        let mut out = Output::default();
        server.send_shared(&shared, &mut out, now).unwrap();
        bytes.extend(take(&mut out));
    }
    let got = events(&mut client, &bytes, now);
    assert_eq!(got.len(), 6);
    assert_eq!(got[4], Event::Message("own and own again".into()));
}
