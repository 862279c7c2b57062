//! The Comet socket: an endless HTML page whose script elements call back into the page around it.
//!
//! Everything that goes between `<script>` and `</script>` is a [`SafeExpression`]: whatever a
//! publisher sends, it stays inside its element and means the same value in the browser.
//!
//! ```
//! use encke_proto::comet::{Call, Callback, SafeExpression};
//!
//! let call = Call::new(Callback::new("parent.cometMessage")?);
//! let mut out = Vec::new();
//! call.write(&SafeExpression::string("kiki"), &mut out);
//! assert_eq!(out, b"<script>parent.cometMessage('kiki');</script>");
//! # Ok::<(), encke_proto::comet::InvalidCallback>(())
//! ```

mod call;
pub(crate) use call::write_callback_close;
pub use call::{Call, Details};

mod callback;
pub use callback::{Callback, InvalidCallback};

mod nonce;
pub use nonce::{InvalidNonce, Nonce};

mod origin;
pub use origin::{InvalidOrigin, Origin};

mod message;
pub use message::{CometMessage, Expression, Json, MessageError, SafeExpression};

mod escape;
pub use escape::{write_json, write_string};

mod prelude;
pub use prelude::Prelude;
