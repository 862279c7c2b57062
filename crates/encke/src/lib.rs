//! Push live events to browsers.

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
