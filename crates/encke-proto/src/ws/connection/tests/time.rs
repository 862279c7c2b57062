//! What happens when nothing happens.

use super::*;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_silent_peer_is_pinged_and_lost_when_it_does_not_answer() {
    let now = Instant::now();
    let mut server = server(Config::default(), now);
    assert_eq!(server.next_timeout(), Some(now + 25 * SECOND));
    server.handle_timeout(now + 24 * SECOND);
    assert_eq!(transmitted(&mut server, now + 24 * SECOND), b"");
    server.handle_timeout(now + 25 * SECOND);
    assert_eq!(transmitted(&mut server, now + 25 * SECOND), b"\x89\0");
    assert_eq!(server.next_timeout(), Some(now + 35 * SECOND));
    server.handle_timeout(now + 35 * SECOND);
    let lost = closed(1006, "No answer to a ping", false);
    assert_eq!(server.poll_event(), Some(lost));
    assert_eq!(server.phase(), Phase::Ended);
    assert_eq!(transmitted(&mut server, now + 35 * SECOND), b"");
    assert_eq!(server.next_timeout(), None);
}

#[test]
fn whatever_comes_from_the_peer_proves_it_alive() {
    let now = Instant::now();
    let pong = masked(&[(true, Opcode::Pong, b"")]);
    for life in [&pong[..], b"\x82"] {
        let mut server = server(Config::default(), now);
        server.handle_timeout(now + 25 * SECOND);
        let _ = transmitted(&mut server, now + 25 * SECOND);
        let _ = events(&mut server, life, now + 34 * SECOND);
        assert_eq!(server.next_timeout(), Some(now + 59 * SECOND));
    }
}

#[test]
fn what_is_sent_does_not_put_off_the_ping() {
    let now = Instant::now();
    let mut server = server(Config::default(), now);
    let _ = sent(&mut server, "tick", now + 20 * SECOND);
    assert_eq!(server.next_timeout(), Some(now + 25 * SECOND));
}

#[test]
fn a_peer_that_is_not_read_is_not_lost() {
    let now = Instant::now();
    let mut server = server(Config::default(), now);
    server.handle_timeout(now + 25 * SECOND);
    let _ = transmitted(&mut server, now + 25 * SECOND);
    server.pause();
    server.handle_timeout(now + 100 * SECOND);
    assert_eq!(server.phase(), Phase::Open);
    server.resume(now + 100 * SECOND);
    assert_eq!(server.next_timeout(), Some(now + 125 * SECOND));
}

#[test]
fn a_pong_that_nobody_asked_for_expects_nothing() {
    let now = Instant::now();
    let keep_alive = KeepAlive::Pong { period: 5 * SECOND };
    let mut server = server(
        Config {
            keep_alive,
            ..Config::default()
        },
        now,
    );
    for beat in 1..4 {
        let now = now + beat * 5 * SECOND;
        server.handle_timeout(now);
        assert_eq!(transmitted(&mut server, now), b"\x8a\0");
    }
    assert_eq!(server.next_timeout(), Some(now + 20 * SECOND));
}

#[test]
fn without_keep_alive_nothing_is_ever_due() {
    let now = Instant::now();
    let period = Duration::ZERO;
    for keep_alive in [KeepAlive::Off, KeepAlive::Pong { period }] {
        let server = server(
            Config {
                keep_alive,
                ..Config::default()
            },
            now,
        );
        assert_eq!(server.next_timeout(), None);
    }
}

#[test]
fn a_connection_without_messages_ends_though_its_peer_answers_pings() {
    let now = Instant::now();
    let idle_timeout = Some(60 * SECOND);
    let mut server = server(
        Config {
            idle_timeout,
            ..Config::default()
        },
        now,
    );
    let pong = masked(&[(true, Opcode::Pong, b"")]);
    let _ = events(&mut server, &pong, now + 50 * SECOND);
    server.handle_timeout(now + 60 * SECOND);
    let idle = closed(1001, "Idle for too long", false);
    assert_eq!(server.poll_event(), Some(idle));
    let sent = transmitted(&mut server, now + 60 * SECOND);
    assert_eq!(sent, b"\x88\x13\x03\xe9Idle for too long");
}

#[test]
fn messages_both_ways_put_off_the_idle_timeout() {
    let now = Instant::now();
    let config = Config {
        idle_timeout: Some(60 * SECOND),
        keep_alive: KeepAlive::Off,
        ..Config::default()
    };
    let mut server = server(config, now);
    let _ = sent(&mut server, "tick", now + 10 * SECOND);
    assert_eq!(server.next_timeout(), Some(now + 70 * SECOND));
    let text = masked(&[(true, Opcode::Text, b"")]);
    let _ = events(&mut server, &text, now + 20 * SECOND);
    assert_eq!(server.next_timeout(), Some(now + 80 * SECOND));
}

#[test]
fn the_answer_to_a_close_is_awaited_for_three_seconds_whatever_else_comes() {
    let now = Instant::now();
    let config = Config {
        idle_timeout: Some(SECOND / 2),
        ..Config::default()
    };
    let mut server = server(config, now);
    let _ = sent(&mut server, Message::Close(None), now);
    let text = masked(&[(true, Opcode::Text, b"")]);
    let _ = events(&mut server, &text, now + 2 * SECOND);
    assert_eq!(server.next_timeout(), Some(now + 3 * SECOND));
    server.handle_timeout(now + 3 * SECOND);
    let lost = closed(1006, "No answer to a Close", false);
    assert_eq!(server.poll_event(), Some(lost));
    assert_eq!(server.phase(), Phase::Ended);
}

#[test]
fn draining_ends_three_seconds_after_our_close_was_handed_out() {
    let now = Instant::now();
    let mut server = server(Config::default(), now);
    let close = masked(&[(true, Opcode::Close, b"")]);
    let _ = events(&mut server, &close, now);
    let _ = transmitted(&mut server, now + SECOND);
    assert_eq!(server.phase(), Phase::Draining);
    assert_eq!(server.next_timeout(), Some(now + 4 * SECOND));
    server.handle_timeout(now + 4 * SECOND);
    assert_eq!(server.phase(), Phase::Ended);
    assert_eq!(server.poll_event(), None);
}
