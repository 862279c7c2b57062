//! Compression of messages: permessage-deflate (RFC 7692).

mod config;
pub use config::{Config, InvalidLevel, InvalidWindowBits, Level, WindowBits};

mod negotiation;
pub use negotiation::{Agreement, InvalidAnswer};
pub(super) use negotiation::{Direction, accept, offer, read_answer};

mod deflater;
pub(super) use deflater::{Deflater, deflate};

mod inflater;
pub(super) use inflater::{Inflater, Window};

/// What ends every message's compressed bytes and is not sent: an empty block's length.
const TAIL: [u8; 4] = [0, 0, 0xFF, 0xFF];
