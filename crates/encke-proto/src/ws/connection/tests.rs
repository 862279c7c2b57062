//! The two ends talk, with a clock of their own.

use super::*;
use crate::fuzz::websocket::Pair;
use crate::ws::{deflate, frame};

mod close;
mod compressed;
mod idle;
mod limits;
mod rfc;
mod time;

/// Keys that tests can foresee.
fn mask_keys() -> MaskKeys {
    let mut last = 0x37fa_213c_u32;
    MaskKeys::new(move || {
        last = last.wrapping_add(1);
        last.to_be_bytes()
    })
}

fn server(config: Config, now: Instant) -> Connection {
    Connection::server(Arc::new(config), None, now)
}

fn client(config: Config, now: Instant) -> Connection {
    Connection::client(Arc::new(config), None, mask_keys(), now)
}

/// Two ends that agreed on compression, client first.
fn deflating_pair(deflate: deflate::Config, now: Instant) -> (Connection, Connection) {
    let pair = Pair::new(&Config::default(), Some(deflate), now);
    (pair.client, pair.server)
}

fn take(out: &mut Output) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !out.is_empty() {
        bytes.extend_from_slice(&out.take(usize::MAX));
    }
    bytes
}

/// What a connection says of itself.
fn transmitted(connection: &mut Connection, now: Instant) -> Vec<u8> {
    let mut out = Output::default();
    connection.poll_transmit(&mut out, now);
    take(&mut out)
}

fn sent(connection: &mut Connection, message: impl Into<Message>, now: Instant) -> Vec<u8> {
    let mut out = Output::default();
    connection.send(message.into(), &mut out, now).unwrap();
    take(&mut out)
}

/// Everything that happens for this input.
fn events(connection: &mut Connection, mut input: &[u8], now: Instant) -> Vec<Event> {
    let mut events = Vec::new();
    while !input.is_empty() {
        input = &input[connection.handle_input(input, now)..];
        events.extend(std::iter::from_fn(|| connection.poll_event()));
    }
    events
}

/// The frames of a client, each masked.
fn masked(frames: &[(bool, Opcode, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (fin, opcode, payload) in frames {
        let head = frame::Head {
            fin: *fin,
            mask: Some([1, 2, 3, 4]),
            ..frame::Head::whole(*opcode, 0)
        };
        frame::write(head, payload, &mut out);
    }
    out
}

fn closed(code: u16, reason: &str, clean: bool) -> Event {
    let code = match code {
        1005 => CloseCode::NO_STATUS,
        1006 => CloseCode::ABNORMAL,
        code => CloseCode::new(code).unwrap(),
    };
    Event::Closed(Closed {
        code,
        reason: reason.to_owned(),
        clean,
    })
}

#[test]
fn a_connection_may_live_on_any_thread() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Connection>();
}

/// A server may have tens of thousands.
#[test]
fn an_idle_connection_is_small() {
    assert!(size_of::<Connection>() <= 192);
}
