//! What a page sees, in Chromium, Firefox and WebKit.
//!
//! `cargo xtask test` installs the browsers and runs these.

mod answers;
mod harness;
mod pages;

mod attack;
mod chat;
mod demo;
mod forever_iframe;
mod http2;
mod javascript_values;
mod nonce;
mod one_connection;
mod other_origin;
mod recovery;
