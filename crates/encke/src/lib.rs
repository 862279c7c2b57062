//! Push live events to browsers.

mod hub;
pub use self::hub::{ChannelHandle, Hub};
pub use encke_proto::{
    Channel, Data, Epoch, Gap, InvalidChannel, InvalidJson, InvalidPosition, JsonText, Position,
    Publication,
};

mod config;
pub use self::config::HubConfig;

mod publish;
pub use self::publish::{Publish, PublishError, PublishFuture};

mod subscription;
pub use self::subscription::{Delivery, Subscription};

mod stats;
pub use self::stats::Stats;

mod channel_log;
mod log;
mod mark;
mod random;
mod sync;

mod live;
pub use self::live::{Action, CrossOrigin, Grant, Live, LiveFuture, Refusal};
pub use encke_proto::comet::{InvalidOrigin, Origin};

mod problem;
pub use self::problem::problem;

mod serve;
pub use self::serve::{Serve, serve};

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

mod security_headers;
pub use self::security_headers::{
    CspNonce, InvalidPolicy, MissingNonce, SameOriginFrame, SecurityHeaders, SecurityHeadersFuture,
    SecurityHeadersService,
};

mod bad_request;
pub use self::bad_request::BadRequest;

mod inspect;
pub use self::inspect::{Inspect, Inspected};

pub mod item;

mod callback;
pub use self::callback::SendError;

mod keep_alive;
mod live_headers;
use self::live_headers::live_headers;

mod body;
pub use self::body::{Body, BoxError};

#[cfg(feature = "axum")]
mod axum;
