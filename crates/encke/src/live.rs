//! The URLs of a hub's channels: GET to listen, POST to publish.
//!
//! Only what is below here, and the crate encke-proto, knows a transport.

mod authorize;
mod body;
mod listen;
mod publish;
mod query;
mod request;
mod saying;
mod session;
#[cfg(target_os = "linux")]
mod shard;
#[cfg(not(target_os = "linux"))]
#[path = "live/shard_absent.rs"]
mod shard;
mod socket;
mod speaker;

#[cfg(test)]
mod away;

pub use self::authorize::{Action, CrossOrigin, Grant, Refusal};
pub(crate) use self::{
    session::SessionHandle,
    shard::{Seat, Shards},
};

use self::{
    authorize::{Authorize, Decision, listen_only},
    request::{InvalidRequest, Listen, Wanted},
};
use crate::{
    Body, BoxError, SchemeHeader,
    hub::Shared,
    origin::{Origins, Sender},
    problem,
    websocket::Upgrade,
};
use bytes::Buf;
use encke_proto::{
    Channel,
    comet::{InvalidOrigin, Origin},
    ws,
};
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tower_service::Service;

/// Most bytes of one publication of a client, unless told otherwise.
const BODY_LIMIT: usize = 1 << 20;

/// The tower service of [`Hub::live`](crate::Hub::live). Cheap to clone.
///
/// The path of a request is its channel's name; mount it where you like:
///
/// ```
/// use encke::{Action, Grant, Hub, Refusal};
///
/// let hub = Hub::default();
/// let live = hub.live().authorize(|request, action, channels| async move {
///     match action {
///         Action::Listen => Ok(Grant::new()),
///         _ if request.headers.contains_key("authorization") => Ok(Grant::new()),
///         _ => Err(Refusal::channel(&channels[0])),
///     }
/// });
/// let app = axum::Router::<()>::new().nest_service("/live", live);
/// # let _ = app;
/// ```
///
/// | request | what happens |
/// |---|---|
/// | `GET /live/news` with a WebSocket handshake (HTTP/1.1, or RFC 8441 over HTTP/2) | WebSocket |
/// | `GET /live/news` with `Accept: text/event-stream` | Server-Sent Events |
/// | `GET /live/news?callback=parent.cometMessage` | a Comet socket, for an iframe |
/// | `GET /live/news?post=https://app.example` | a Comet socket for a page of another origin |
/// | `GET /live/news` otherwise | NDJSON |
/// | `GET /live?channel=a&channel=b` | several channels, at most 128, in envelopes |
/// | `POST /live/news` | publishes the body |
///
/// Every session first says where it stands; `?since=` or `Last-Event-ID` continue from there,
/// `?history=N` starts up to N publications back, `?envelope=1` wraps the data of one channel too.
/// A bare WebSocket, of one channel without an envelope, has no place for positions: a gap closes
/// it with 4001 and the reason `gap FROM-TO`.
#[derive(Clone)]
#[must_use]
pub struct Live {
    hub: Arc<Shared>,
    settings: Arc<Settings>,
}

#[derive(Clone)]
struct Settings {
    authorize: Arc<Authorize>,
    origins: Origins,
    client_publish: bool,
    body_limit: usize,
    prefix: Box<str>,
    /// Of WebSockets that may publish.
    speaking: Arc<ws::Config>,
    /// Of those that may not: what is refused anyway needs no more room than it has by default.
    listening: Arc<ws::Config>,
}

impl Live {
    pub(crate) fn new(hub: Arc<Shared>) -> Self {
        let settings = Settings {
            authorize: Arc::new(|request, action, channels| {
                Box::pin(std::future::ready(listen_only(request, action, channels)))
            }),
            origins: Origins::default(),
            client_publish: false,
            body_limit: BODY_LIMIT,
            prefix: "".into(),
            speaking: listen::socket_config(&hub, BODY_LIMIT),
            listening: listen::socket_config(&hub, ws::Config::default().max_message),
        };
        Self {
            hub,
            settings: Arc::new(settings),
        }
    }

    /// Decides who may do what, before anything else happens.
    ///
    /// Default: anyone listens, nobody publishes. The request has its headers, cookies and
    /// extensions; a session on several channels is allowed as a whole or refused as a whole.
    pub fn authorize<F, D>(mut self, decide: F) -> Self
    where
        F: Fn(Arc<Parts>, Action, Arc<[Channel]>) -> D + Send + Sync + 'static,
        D: Future<Output = Result<Grant, Refusal>> + Send + 'static,
    {
        self.settings_mut().authorize =
            Arc::new(move |request, action, channels| Box::pin(decide(request, action, channels)));
        self
    }

    /// Lets pages of this origin listen, and publish where they are authorised to.
    ///
    /// Default: none but this server's own. Such a page reads the responses (CORS), may frame a
    /// Comet socket and gets its messages with `?post=ORIGIN`; its requests carry
    /// [`CrossOrigin`].
    ///
    /// # Errors
    ///
    /// Where `origin` is not a scheme, a host and perhaps a port.
    pub fn allow_origin(mut self, origin: &str) -> Result<Self, InvalidOrigin> {
        let origin = Origin::new(origin)?;
        self.settings_mut().origins.add(origin);
        Ok(self)
    }

    /// Takes the scheme of this server's own pages from this header, which a proxy in front of it
    /// sets.
    ///
    /// Default: from none, since a client could send it; a page is then this server's own by host
    /// and port, and by `https` where the server speaks TLS itself. See [`SchemeHeader`] for what
    /// is read, and what is refused.
    pub fn trust_proxy_scheme(mut self, header: SchemeHeader) -> Self {
        self.settings_mut().origins.trust(header);
        self
    }

    /// Publishes what the clients of WebSockets say, where they are authorised to publish.
    ///
    /// Default: no; a client that says something is told so by close 1008. A socket on several
    /// channels cannot say which one it means, and only listens.
    pub fn client_publish(mut self) -> Self {
        self.settings_mut().client_publish = true;
        self
    }

    /// Most bytes that one POST, or one message of a WebSocket, may publish.
    ///
    /// Default: 1 MiB. Every client that may publish may take this much memory while it arrives.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        let speaking = listen::socket_config(&self.hub, bytes);
        let settings = self.settings_mut();
        settings.body_limit = bytes;
        settings.speaking = speaking;
        self
    }

    /// The path before the channel's name, where the server leaves it in the request.
    ///
    /// Default: none, as axum's `nest_service` takes it off.
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.settings_mut().prefix = prefix.trim_end_matches('/').into();
        self
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }

    async fn respond<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>>,
    {
        let (mut request, body) = request.into_parts();
        let sender = self.settings.origins.sender(&request);
        if is_preflight(&request) {
            return self.preflight(&sender);
        }
        if let Sender::Allowed(_) = sender {
            request.extensions.insert(CrossOrigin::FOUND);
        }
        let mut response = match request.method {
            Method::GET | Method::HEAD | Method::CONNECT => self.listen(request, &sender).await,
            Method::POST => self.publish(request, &sender, body).await,
            _ => not_allowed(&request.method),
        };
        self.settings.origins.allow(&sender, response.headers_mut());
        response
    }

    async fn listen(&self, mut request: Parts, sender: &Sender<'_>) -> Response<Body> {
        let (channels, listen) = match self.parse_listen(&request) {
            Ok(parsed) => parsed,
            Err(invalid) => return refuse(&invalid),
        };
        // A socket is not held back by the browser, as the other responses are.
        if matches!(listen.wanted, Wanted::WebSocket)
            && let Some(refusal) = sender.refusal(FOREIGN)
        {
            return refusal;
        }
        let upgrade = match listen.wanted {
            Wanted::WebSocket => match Upgrade::of(&mut request) {
                Ok(upgrade) => Some(upgrade),
                Err(error) => return error.into_response(),
            },
            _ => None,
        };
        let request = Arc::new(request);
        if let Err(refusal) = self.decide(&request, Action::Listen, &channels).await {
            return refusal.into_response();
        }
        match upgrade {
            Some(upgrade) => {
                let publishes = self.client_publishes(&request, &channels).await;
                let config = match publishes {
                    true => &self.settings.speaking,
                    false => &self.settings.listening,
                };
                let socket = listen::Opening {
                    upgrade,
                    publishes,
                    config: config.clone(),
                };
                listen::open_socket(&self.hub, &request, channels, listen, socket).await
            }
            None => listen::listen(&self.hub, &self.settings, &request, channels, listen).await,
        }
    }

    fn parse_listen(&self, request: &Parts) -> Result<(Arc<[Channel]>, Listen), InvalidRequest> {
        let channels = request::channels(request, &self.settings.prefix)?;
        let listen = Listen::parse(request, &channels, &self.settings.origins)?;
        Ok((channels, listen))
    }

    /// Whether a WebSocket's messages are published: not where they would be on several channels.
    async fn client_publishes(&self, request: &Arc<Parts>, channels: &Arc<[Channel]>) -> bool {
        self.settings.client_publish
            && channels.len() == 1
            && self
                .decide(request, Action::Publish, channels)
                .await
                .is_ok()
    }

    async fn publish<B>(&self, request: Parts, sender: &Sender<'_>, body: B) -> Response<Body>
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>>,
    {
        if let Some(refusal) = sender.refusal(FOREIGN) {
            return refusal;
        }
        let channels = match request::channels(&request, &self.settings.prefix) {
            Ok(channels) => channels,
            Err(invalid) => return refuse(&invalid),
        };
        let [channel] = &channels[..] else {
            let detail = format!("{} channels: a POST publishes to one", channels.len());
            return problem(StatusCode::BAD_REQUEST, detail);
        };
        let request = Arc::new(request);
        match self.decide(&request, Action::Publish, &channels).await {
            Ok(Grant {}) => {
                let limit = self.settings.body_limit;
                publish::publish(&self.hub, channel, &request.headers, body, limit).await
            }
            Err(refusal) => refusal.into_response(),
        }
    }

    fn decide(&self, request: &Arc<Parts>, action: Action, channels: &Arc<[Channel]>) -> Decision {
        (self.settings.authorize)(request.clone(), action, channels.clone())
    }

    fn preflight(&self, sender: &Sender<'_>) -> Response<Body> {
        let refusal = match sender {
            Sender::Unknown => Some(problem(StatusCode::FORBIDDEN, FOREIGN)),
            known => known.refusal(FOREIGN),
        };
        let mut response = refusal.unwrap_or_else(|| Response::new(Body::empty()));
        if response.status().is_success() {
            *response.status_mut() = StatusCode::NO_CONTENT;
            for (name, value) in [
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
                (
                    header::ACCESS_CONTROL_ALLOW_HEADERS,
                    "authorization, content-type, idempotency-key, last-event-id",
                ),
                (header::ACCESS_CONTROL_MAX_AGE, "600"),
            ] {
                response
                    .headers_mut()
                    .insert(name, HeaderValue::from_static(value));
            }
        }
        self.settings.origins.allow(sender, response.headers_mut());
        response
    }
}

/// What pages of other origins are told.
const FOREIGN: &str = "pages of other origins may not listen or publish here";

fn is_preflight(request: &Parts) -> bool {
    let headers = &request.headers;
    request.method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn refuse(invalid: &InvalidRequest) -> Response<Body> {
    let status = match invalid.is_forbidden() {
        true => StatusCode::FORBIDDEN,
        false => StatusCode::BAD_REQUEST,
    };
    problem(status, invalid)
}

fn not_allowed(method: &Method) -> Response<Body> {
    let detail = format!("{method} is not one of GET, HEAD and POST");
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, detail);
    let allow = HeaderValue::from_static("GET, HEAD, POST");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

impl<B> Service<Request<B>> for Live
where
    B: http_body::Body<Data: Buf + Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = LiveFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> LiveFuture {
        LiveFuture(Box::pin(self.clone().respond(request)))
    }
}

/// The response of [`Live`], to come.
pub struct LiveFuture(Pin<Box<dyn Future<Output = Response<Body>> + Send>>);

impl Future for LiveFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for LiveFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveFuture").finish_non_exhaustive()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("origins", &self.settings.origins)
            .field("body_limit", &self.settings.body_limit)
            .finish_non_exhaustive()
    }
}
