//! Push live events to browsers.

mod body;

pub use self::body::{Body, BoxError};
