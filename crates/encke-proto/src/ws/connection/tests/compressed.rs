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
    let (mut client, _) = deflating_pair(compressing(true), compressing(true), now);
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
        let (mut client, mut server) =
            deflating_pair(compressing(takeover), compressing(takeover), now);
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
