//! The engines that tests break, and the proxy before them: if these fail, the rest says nothing
//! about encke.
//!
//! `cargo xtask test` installs the engines and runs these.

mod nats;
mod nats_cluster;
mod proxy;
mod redis;
mod redis_cluster;
mod sentinel;
