//! Harness of the tests that need the whole of encke: browsers, sites, engines, cut connections.
//!
//! It is for tests, so whatever goes wrong here panics and says what.

mod run;
pub use run::in_every_browser;

mod browser;
pub use browser::{Browser, Tab};

mod kind;
pub use kind::Kind;

mod site;
pub use site::Site;

mod secure_site;
pub use secure_site::{Connection, SecureSite};

mod program;
pub use program::Program;

mod proxy;
pub use proxy::Proxy;

mod engine;
pub use engine::{
    Nats, NatsBuilder, NatsCluster, Redis, RedisBuilder, RedisCluster, RedisClusterBuilder,
    Sentinel,
};

mod clock;
pub use clock::Clock;

mod process;
pub use process::Process;

mod nginx;
pub use nginx::Nginx;

mod client;
pub use client::{Client, Way};

mod driver;
mod patience;
mod scratch;
