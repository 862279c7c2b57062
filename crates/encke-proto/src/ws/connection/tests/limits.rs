//! What is too big, seen from the frame's head, and what a message may inflate to.

use super::*;

const LIMIT: usize = 64 << 10;

fn too_big() -> Event {
    closed(1009, "Message was too big", false)
}

fn outcome(input: &[u8]) -> Event {
    let now = Instant::now();
    let mut server = server(Config::default(), now);
    events(&mut server, input, now).remove(0)
}

#[test]
fn a_message_at_its_limit_is_taken_and_one_byte_more_is_not() {
    let at = masked(&[(true, Opcode::Binary, &[7; LIMIT])]);
    assert_eq!(outcome(&at), Event::Message(vec![7; LIMIT].into()));
    let over = masked(&[(true, Opcode::Binary, &[7; LIMIT + 1])]);
    assert_eq!(outcome(&over), too_big());
}

#[test]
fn the_head_of_a_frame_is_enough_to_refuse_it() {
    assert_eq!(outcome(b"\x82\xff\0\0\0\0\0\x01\0\x01\0\0\0\0"), too_big());
    assert_eq!(
        outcome(b"\x02\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"),
        too_big()
    );
}

#[test]
fn fragments_count_together() {
    let half = [7; LIMIT / 2];
    let exactly = [
        (false, Opcode::Binary, &half[..]),
        (true, Opcode::Ping, &[7; 125]),
        (false, Opcode::Continuation, &half),
        (true, Opcode::Continuation, b""),
    ];
    let now = Instant::now();
    let mut taking = server(Config::default(), now);
    let taken = events(&mut taking, &masked(&exactly), now);
    assert_eq!(taken[1], Event::Message(vec![7; LIMIT].into()));

    let mut over = exactly;
    over[3].2 = b"1";
    let mut refusing = server(Config::default(), now);
    let refused = events(&mut refusing, &masked(&over), now);
    assert_eq!(refused[1..], [too_big()]);
}

#[test]
fn a_frame_limit_below_the_message_limit_holds_for_each_frame() {
    let now = Instant::now();
    let config = || Config {
        max_frame: 10,
        ..Config::default()
    };
    let fragments = |second| {
        masked(&[
            (false, Opcode::Binary, &[1; 10]),
            (true, Opcode::Continuation, second),
        ])
    };
    let taken = events(&mut server(config(), now), &fragments(&[1; 10]), now);
    assert_eq!(taken, [Event::Message(vec![1; 20].into())]);
    let refused = events(&mut server(config(), now), &fragments(&[1; 11]), now);
    assert_eq!(refused, [too_big()]);
}

#[test]
fn what_is_announced_takes_no_memory_before_it_comes() {
    let now = Instant::now();
    let mut server = server(
        Config {
            max_frame: usize::MAX,
            max_message: usize::MAX,
            ..Config::default()
        },
        now,
    );
    let head = b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0abc";
    assert_eq!(events(&mut server, head, now), []);
}

#[test]
fn an_inflated_message_is_held_to_the_limit() {
    let now = Instant::now();
    for (size, expected) in [
        (LIMIT, Event::Message(vec![0; LIMIT].into())),
        (LIMIT + 1, too_big()),
        (8 << 20, too_big()),
    ] {
        let (mut client, mut server) = deflating_pair(deflate::Config::default(), now);
        let bytes = sent(&mut client, vec![0; size], now);
        assert!(bytes.len() < size / 500);
        let event = events(&mut server, &bytes[..bytes.len().min(LIMIT)], now).remove(0);
        assert_eq!(event, expected);
    }
}

#[test]
fn a_message_at_its_limit_may_grow_by_being_compressed() {
    let now = Instant::now();
    let takeover = deflate::Config {
        client_context_takeover: true,
        ..deflate::Config::default()
    };
    let (mut client, mut server) = deflating_pair(takeover, now);
    let mut state = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(LIMIT)
    .collect();
    let bytes = sent(&mut client, noise.clone(), now);
    assert!(bytes.len() > LIMIT + 14, "{}", bytes.len());
    assert_eq!(
        events(&mut server, &bytes, now),
        [Event::Message(noise.into())]
    );
}
