//! Inputs: from noise to frames that are almost right.

use encke_proto::ws::Message;
use proptest::{collection::vec, prelude::*, sample::select};

pub(crate) fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![any::<u8>(), select(vec![0, 1, 0x80, 0xff])],
        0..400,
    )
}

/// Text or binary, up to some thousand bytes, much of it repeated far away.
pub(crate) fn any_data() -> impl Strategy<Value = Message> {
    let bytes = vec(any::<u8>(), 0..600);
    let repeated = (vec((any::<[u8; 4]>(), 1..900_usize), 0..20)).prop_map(|parts| {
        let mut bytes = Vec::new();
        for (part, times) in &parts {
            bytes.extend(part.repeat(*times));
        }
        bytes.truncate(60_000);
        bytes
    });
    prop_oneof![
        any::<String>().prop_map(Message::text),
        "[a-z ]{0,900}".prop_map(|text| Message::text(text.repeat(20))),
        bytes.prop_map(Message::binary),
        repeated.prop_map(Message::binary),
    ]
}

/// Frames of a client, most of them right.
pub(crate) fn any_input() -> impl Strategy<Value = Vec<u8>> {
    vec(any_frame(), 0..8).prop_map(|frames| frames.concat())
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        // whole and fragmented messages, control frames
        8 => select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a]),
        1 => Just(0x88),
        1 => select(vec![0xc1, 0x91, 0xa2, 0x83, 0x8b, 0x09, 0x08, 0x40]),
    ];
    let payload = prop_oneof![
        4 => any::<String>().prop_map(String::into_bytes),
        4 => "[a-z€😀]{0,100}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..140),
        1 => vec(Just(b'x'), 65_000..66_000),
        2 => (select(vec![0_u16, 999, 1000, 1001, 1004, 1005, 1006, 1007, 1012, 1014, 1015, 1016,
            2999, 3000, 4999, 5000]), "[a-z€]{0,40}").prop_map(|(code, reason)| {
                [&code.to_be_bytes(), reason.as_bytes()].concat()
            }),
    ];
    // How the length is written (0 for the shortest form), and whether the frame is masked.
    let form = prop_oneof![20 => Just(0_u8), 1 => Just(126), 1 => Just(127)];
    let masked = prop_oneof![20 => Just(true), 1 => Just(false)];
    (first, payload, form, masked, any::<[u8; 4]>()).prop_map(
        |(first, payload, form, masked, key)| {
            let mask = if masked { 0x80 } else { 0 };
            let length = payload.len();
            let mut out = vec![first];
            match (form, length) {
                (0, 0..126) => out.push(mask | length as u8),
                (0 | 126, 0..=0xffff) => {
                    out.push(mask | 126);
                    out.extend((length as u16).to_be_bytes());
                }
                _ => {
                    out.push(mask | 127);
                    out.extend((length as u64).to_be_bytes());
                }
            }
            if masked {
                out.extend(key);
                out.extend(
                    payload
                        .iter()
                        .enumerate()
                        .map(|(i, byte)| byte ^ key[i % 4]),
                );
            } else {
                out.extend(payload);
            }
            out
        },
    )
}
