//! Push live events to browsers.

mod chunked;
pub use self::chunked::{Chunked, Out};

mod chunk;
pub use self::chunk::{Chunk, Json, Text};

mod callback;
pub use self::callback::SendError;

mod live_headers;
use self::live_headers::live_headers;

mod body;
pub use self::body::{Body, BoxError};

#[cfg(feature = "axum")]
mod axum;
