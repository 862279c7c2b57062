//! Who may listen and who may speak.

use crate::{Body, problem};
use encke_proto::Channel;
use http::{Response, StatusCode, request::Parts};
use std::{fmt, pin::Pin, sync::Arc};

/// What a client asks to do with channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Action {
    /// Receive what is published.
    Listen,
    /// Publish.
    Publish,
}

/// A client may do what it asked for.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Grant {}

impl Grant {
    /// Allows it.
    pub fn new() -> Self {
        Self::default()
    }
}

/// A client may not do what it asked for; this is what it is told.
#[non_exhaustive]
pub struct Refusal {
    response: Box<Response<Body>>,
}

impl Refusal {
    /// Answers with this response.
    pub fn new(response: Response<impl Into<Body>>) -> Self {
        Self {
            response: Box::new(response.map(Into::into)),
        }
    }

    /// Answers 403 and names the channel.
    pub fn channel(channel: &Channel) -> Self {
        let detail = format!("no access to channel {channel:?}");
        Self::new(problem(StatusCode::FORBIDDEN, detail))
    }

    pub(super) fn into_response(self) -> Response<Body> {
        *self.response
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.response.status();
        f.debug_struct("Refusal").field("status", &status).finish()
    }
}

/// A page of another origin sent the request, one that [`Live::allow_origin`] named.
///
/// Found in the request's extensions by whoever authorises it.
///
/// [`Live::allow_origin`]: crate::Live::allow_origin
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrossOrigin {}

impl CrossOrigin {
    pub(super) const FOUND: Self = Self {};
}

pub(super) type Decision = Pin<Box<dyn Future<Output = Result<Grant, Refusal>> + Send>>;

pub(super) type Authorize = dyn Fn(Arc<Parts>, Action, Arc<[Channel]>) -> Decision + Send + Sync;

/// Anyone listens, nobody speaks.
pub(super) fn listen_only(
    _: Arc<Parts>,
    action: Action,
    _: Arc<[Channel]>,
) -> Result<Grant, Refusal> {
    match action {
        Action::Listen => Ok(Grant::new()),
        Action::Publish => Err(Refusal::new(problem(
            StatusCode::FORBIDDEN,
            "nobody may publish here over HTTP",
        ))),
    }
}
