//! Push live events to browsers.
