//! What it costs to check the UTF-8 of incoming text: the standard library against simdutf8, in one
//! run. `cargo run --release -p encke-proto --example utf8_cost`
#![allow(clippy::print_stdout)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

fn main() {
    let texts = [
        ("ASCII", r#"{"symbol":"ENCK","price":12.34} "#),
        ("mixed", "Grüße, 世界! Привет 🎉 plain words too. "),
    ];
    println!("text     bytes   std ns  simdutf8 ns  ratio");
    for (name, text) in texts {
        for size in [20, 1 << 10, 64 << 10] {
            let text = text.repeat(size / text.len() + 1);
            let bytes = &text.as_bytes()[..boundary(&text, size)];
            let std = nanoseconds(|| str::from_utf8(black_box(bytes)).is_ok());
            let simd = nanoseconds(|| simdutf8::basic::from_utf8(black_box(bytes)).is_ok());
            println!("{name} {size:8} {std:8.0} {simd:12.0} {:6.1}", std / simd);
        }
    }
}

/// Of one call, in the fastest of some rounds.
fn nanoseconds(call: impl Fn() -> bool) -> f64 {
    let rounds = (0..50).map(|_| {
        let (begun, mut calls) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_millis(4) {
            for _ in 0..100 {
                assert!(black_box(call()));
            }
            calls += 100;
        }
        begun.elapsed().as_nanos() as f64 / f64::from(calls)
    });
    rounds.fold(f64::MAX, f64::min)
}

fn boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
