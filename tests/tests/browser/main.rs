//! What a page sees, in Chromium, Firefox and WebKit.
//!
//! `cargo xtask test` installs the browsers and runs these.

mod harness;
mod pages;

mod forever_iframe;
mod javascript_values;
mod nonce;
