#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_proto::fuzz::websocket::frames(input));
