//! Wire formats and session rules of encke: values in, bytes out.
//!
//! No IO, no clock, no runtime among the dependencies, so that the rules can be tested without
//! any. Applications use the crate `encke`, which brings what they need of this one.

#![forbid(unsafe_code)]

mod excerpt;
#[doc(hidden)]
pub use excerpt::excerpt;

mod channel;
pub use channel::{Channel, InvalidChannel};

mod position;
pub use position::{Epoch, InvalidPosition, Position};

mod channels;
pub use channels::Channels;

mod token;
pub use token::{Binding, Since, token_of, write_token};

mod publication;
pub use publication::{Data, InvalidJson, JsonText, Publication};

mod session;
pub use session::{Disconnect, Gap, Read, Session, Start, Transmit};

pub mod comet;
pub mod ndjson;
pub mod sse;
pub mod ws;

mod output;
pub use output::Output;

mod framing;
pub use framing::{Encoded, Framing};

mod encoder;
pub use encoder::{Encoder, Lead, Transport};

#[doc(hidden)]
pub mod fuzz;
