//! What holds for any input of a WebSocket, and where tungstenite reads one as we do.

mod generated;
mod tungstenite_agrees;

use encke_proto::{
    Output,
    fuzz::websocket::{Pair, frames, inflate, messages, observe},
    ws::{
        Config, Event, Message, deflate,
        frame::{self, Head, Opcode},
    },
};
use generated::{any_bytes, any_data, any_input};
use proptest::prelude::*;
use std::time::Instant;

proptest! {
    #[test]
    fn any_bytes_mean_the_same_however_cut(input in any_bytes()) {
        frames(&input);
        inflate(&input);
    }

    #[test]
    fn any_frames_mean_the_same_however_cut(
        input in any_input(),
        kind in any::<u8>(),
        cut in 1..20_u8,
    ) {
        frames(&[&[kind & !1, cut], &input[..]].concat());
    }

    #[test]
    fn what_one_end_sends_the_other_gets(input in any_bytes()) {
        messages(&input);
    }

    #[test]
    fn a_message_arrives_in_any_fragments_with_control_frames_between(
        data in any_data(),
        sizes in prop::collection::vec(0..2000_usize, 0..5),
        pieces in prop::collection::vec(1..3000_usize, 1..4),
    ) {
        let now = Instant::now();
        let mut server = Pair::new(&Config::default(), None, now).server;
        let (mut opcode, payload) = match &data {
            Message::Text(text) => (Opcode::Text, text.as_bytes()),
            Message::Binary(bytes) => (Opcode::Binary, &bytes[..]),
            other => panic!("{other:?} is no data"),
        };
        let mut input = Vec::new();
        let mut rest = payload;
        let mut write = |fin, opcode, payload: &[u8]| {
            let head = Head { fin, mask: Some([9, 8, 7, 6]), ..Head::whole(opcode, 0) };
            frame::write(head, payload, &mut input);
        };
        for size in &sizes {
            let (part, behind) = rest.split_at(rest.len().min(*size));
            write(false, opcode, part);
            write(true, Opcode::Ping, b"between");
            (rest, opcode) = (behind, Opcode::Continuation);
        }
        write(true, opcode, rest);
        let (events, out, _) = observe(&mut server, &input, &pieces, now);
        prop_assert_eq!(events.len(), sizes.len() + 1);
        prop_assert_eq!(events.last(), Some(&Event::Message(data)));
        prop_assert_eq!(out.is_empty(), sizes.is_empty());
    }

    #[test]
    fn data_survives_every_window_and_level(
        data in prop::collection::vec(any_data(), 1..4),
        bits in 9..=15_u8,
        level in 1..=9_u8,
        takeover in any::<bool>(),
    ) {
        let now = Instant::now();
        let window = deflate::WindowBits::new(bits).unwrap();
        let deflate = deflate::Config {
            level: deflate::Level::new(level).unwrap(),
            threshold: 0,
            server_window: window,
            client_window: window,
            server_context_takeover: takeover,
            client_context_takeover: takeover,
        };
        let Pair { mut client, mut server } = Pair::new(&Config::default(), Some(deflate), now);
        for (from, to) in [(0, 1), (1, 0)] {
            let ends = [&mut client, &mut server];
            for data in &data {
                let mut out = Output::default();
                ends[from].send(data.clone(), &mut out, now).unwrap();
                let mut bytes = Vec::new();
                while !out.is_empty() {
                    bytes.extend_from_slice(&out.take(usize::MAX));
                }
                let (events, ..) = observe(ends[to], &bytes, &[1000], now);
                prop_assert_eq!(events, [Event::Message(data.clone())]);
            }
        }
    }
}
