//! Push live events from a server to browsers: one publish reaches every browser.
//!
//! **Channels.** A [`Hub`] has channels; [`publish`](ChannelHandle::publish) reaches everyone who
//! listens, over Server-Sent Events, a Comet socket in an iframe, or NDJSON, at the URLs that
//! [`Hub::live`] serves. A channel is a log and a subscriber a place in it: every publication once
//! and in order, or a gap that says what is missing.
//!
//! **Responses.** A handler may return a stream of its own: [`Chunked`], [`Comet`],
//! [`EventSource`], or accept a [`WebSocket`]. Each is an axum response (feature `axum`, on by
//! default) and an [`http::Response`] for any other server.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use encke::{BadRequest, Comet, Hub};
//! use futures_util::stream;
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = Hub::default();
//! let app = Router::new()
//!     .route("/comet", get(|| async {
//!         let messages = stream::iter(["kiki", "foo", "bar"]);
//!         Ok::<_, BadRequest>(Comet::new("parent.cometMessage")?.string(messages))
//!     }))
//!     .nest_service("/live", hub.live());
//! encke::serve(encke::listen("127.0.0.1:3000").await?, app).await?;
//! # Ok(()) }
//! ```
//!
//! # Cancel safety
//!
//! Every future here may be dropped at any await: nothing that was accepted is lost, and what was
//! not is not sent. Where there is more to say, the item says it.

#![forbid(unsafe_code)]
#![cfg_attr(
    not(any(feature = "nats", feature = "redis")),
    allow(dead_code, reason = "the use of a broker, where there is none")
)]
#![cfg_attr(
    not(target_os = "linux"),
    allow(
        dead_code,
        reason = "shards, which only Linux has, use more of the logs"
    )
)]

mod hub;
pub use self::hub::{ChannelHandle, Hub};
pub use encke_proto::{
    Channel, Data, Epoch, Gap, InvalidChannel, InvalidJson, InvalidPosition, JsonText, Position,
    Publication,
};

mod config;
pub use self::config::HubConfig;

mod connect;
pub use self::connect::ConnectError;

mod publish;
pub use self::publish::{Publish, PublishError, PublishFuture};

mod subscribe;
pub use self::subscribe::{Subscribe, Unavailable};

mod subscription;
pub use self::subscription::{Delivery, Subscription};

mod stats;
pub use self::stats::Stats;

mod channel_stats;
pub use self::channel_stats::ChannelStats;

mod broker;
mod channel_log;
mod idempotency;
mod log;
mod mark;
mod random;
mod reached;
mod replica;
#[cfg(all(test, not(encke_loom)))]
mod simulation;
mod sync;

mod origin;
pub use self::origin::SchemeHeader;

mod live;
pub use self::live::{Action, CrossOrigin, Grant, Live, LiveFuture, Refusal};
pub use encke_proto::comet::{InvalidOrigin, Origin};

mod serve;
pub use self::serve::{GuardedIo, Listener, Peer, Serve, listen, serve};

mod shutdown;
pub use self::shutdown::Shutdown;

mod chunked;
pub use self::chunked::{Chunked, Out};

mod chunk;
pub use self::chunk::{Chunk, Text};

mod comet;
pub use self::comet::{Comet, CometOut, Messages};
pub use encke_proto::comet::{
    Callback, CometMessage, Expression, InvalidCallback, InvalidNonce, Json, MessageError, Nonce,
    Prelude,
};

mod event_source;
pub use self::event_source::{EventOut, EventSource, IntoEvent, LastEventId};
pub use encke_proto::sse::{Event, InvalidEvent};

pub mod item;

pub mod websocket;
pub use self::websocket::WebSocket;

mod callback;
pub use self::callback::SendError;

mod keep_alive;
mod live_headers;
mod until;

mod security_headers;
pub use self::security_headers::{
    CspNonce, InvalidPolicy, MissingNonce, SameOriginFrame, SecurityHeaders, SecurityHeadersFuture,
    SecurityHeadersService,
};

mod inspect;
pub use self::inspect::{Inspect, Inspected};

mod bad_request;
pub use self::bad_request::BadRequest;

mod problem;
pub use self::problem::problem;

mod body;
pub use self::body::{Body, BoxError};

#[cfg(feature = "axum")]
mod axum;

/// The examples of the README, run as those of this crate are.
#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
