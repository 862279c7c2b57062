//! GET: a session on channels, over the transport the client can speak.

use super::{
    Seat, Settings,
    body::LiveBody,
    request::{Listen, Wanted},
    session::{Asked, LiveSession, Member},
    socket::{Dialog, LiveSocket},
};
use crate::{
    Body, CspNonce, SameOriginFrame,
    hub::Shared,
    live_headers::live_headers,
    problem, random,
    serve::Peer,
    shutdown::Shutdown,
    websocket::{Driver, End, Socket, Upgrade},
};
use encke_proto::{
    Channel, Transport,
    comet::{Call, Nonce},
    ws::{self, KeepAlive},
};
use http::{HeaderValue, Response, StatusCode, Version, header, request::Parts};
use std::{fmt, sync::Arc, time::Duration};

/// How long the client may take to answer a ping before it counts as lost.
const PONG_DEADLINE: Duration = Duration::from_secs(10);

/// Opens the session that `listen` asks for; its cursors are placed before the response is sent.
pub(super) async fn listen(
    hub: &Arc<Shared>,
    settings: &Settings,
    request: &Parts,
    channels: Arc<[Channel]>,
    listen: Listen,
) -> Response<Body> {
    if hub.is_closing() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the hub is shut down");
    }
    let Some((transport, mut response)) = begin(listen.wanted, settings, request) else {
        return problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no random bytes for a nonce",
        );
    };
    if request.method == http::Method::HEAD {
        return response;
    }
    let peer = Peer::of(&request.extensions).cloned();
    let asked = Asked {
        transport,
        envelope: listen.envelope,
        channels,
        starts: &listen.starts,
    };
    let session = match LiveSession::open(hub.clone(), peer.clone(), asked).await {
        Ok(session) => session,
        Err(error) => return unavailable(&error),
    };
    let leaving = peer.and_then(|peer| Some((seat(&peer, request)?, peer)));
    if leaving.is_some() {
        // Its connection serves no other request once the socket is gone.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    *response.body_mut() = Body::new(LiveBody::new(session, leaving));
    response
}

/// A WebSocket to be opened.
pub(super) struct Opening {
    pub(super) upgrade: Upgrade,
    pub(super) publishes: bool,
    pub(super) config: Arc<ws::Config>,
}

/// The rules of a hub's WebSockets whose clients may say so much at once.
pub(super) fn socket_config(hub: &Shared, message_limit: usize) -> Arc<ws::Config> {
    Arc::new(ws::Config {
        max_frame: message_limit,
        max_message: message_limit,
        keep_alive: KeepAlive::Ping {
            period: hub.config.keep_alive,
            deadline: PONG_DEADLINE,
        },
        ..ws::Config::default()
    })
}

/// Opens a session over a WebSocket; its cursors are placed before the response is sent.
pub(super) async fn open_socket(
    hub: &Arc<Shared>,
    request: &Parts,
    channels: Arc<[Channel]>,
    listen: Listen,
    socket: Opening,
) -> Response<Body> {
    if hub.is_closing() {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "the hub is shut down");
    }
    let deflate = socket.config.deflate.as_ref();
    let (response, accepted) = match socket.upgrade.accept(None, deflate) {
        Ok(accepted) => accepted,
        Err(error) => return problem(StatusCode::BAD_REQUEST, error),
    };
    let agreement = accepted.deflate();
    let deflated = agreement.is_some_and(|agreement| agreement.takes_shared());
    let peer = Peer::of(&request.extensions).cloned();
    let asked = Asked {
        transport: Transport::WebSocket { deflated },
        envelope: listen.envelope,
        channels,
        starts: &listen.starts,
    };
    let session = match LiveSession::open(hub.clone(), peer, asked).await {
        Ok(session) => Member::join(session),
        Err(error) => return unavailable(&error),
    };
    let shutdown = accepted.shutdown();
    // In a shard nobody can wait for a broker.
    let waits = socket.publishes && hub.has_broker();
    let peer = accepted.peer().filter(|_| !waits);
    let seat = peer.and_then(|peer| seat(&peer, request));
    accepted.spawn(move |io| async move {
        let Ok(io) = io else { return };
        let now = tokio::time::Instant::now().into_std();
        let dialog = Dialog::new(socket.config, agreement, socket.publishes, now);
        let Some(seat) = seat else {
            return run(io, LiveSocket::new(dialog, session), shutdown).await;
        };
        match io.into_tcp() {
            Ok((Ok(socket), input)) => {
                if let Some(parts) = session.detach() {
                    seat.join_web_socket(socket, parts, dialog, &input);
                }
            }
            Ok((Err(error), _)) => tracing::debug!(%error, "socket lost"),
            Err(io) => run(io, LiveSocket::new(dialog, session), shutdown).await,
        }
    });
    response
}

/// A place without HTTP for the session that a request asks for, if it can have one.
fn seat(peer: &Peer, request: &Parts) -> Option<Seat> {
    // A connection of HTTP/2 has other streams, and under `axum::serve` no peer for each.
    match request.version {
        Version::HTTP_11 => peer.seat(),
        _ => None,
    }
}

async fn run(io: Socket, mut talk: LiveSocket, shutdown: Option<Shutdown>) {
    let stall_limit = talk.stall_limit();
    let driver = Driver::new(io, &mut talk, stall_limit, shutdown.as_ref());
    if driver.run().await == End::Stalled {
        talk.stalls();
    }
    talk.finish().await;
}

/// What a client is told that cannot be served for now.
pub(super) fn unavailable(error: &dyn fmt::Display) -> Response<Body> {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, error);
    // Not all at once, where they come because others were told the same.
    let seconds = 1 + (4.0 * random::fraction()) as u64;
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The transport and its response, without a body; `None` where there is no nonce to be had.
fn begin(
    wanted: Wanted,
    settings: &Settings,
    request: &Parts,
) -> Option<(Transport, Response<Body>)> {
    let (transport, content_type) = match wanted {
        Wanted::Sse => (Transport::Sse, "text/event-stream; charset=utf-8"),
        Wanted::Ndjson => (Transport::Ndjson, "application/x-ndjson"),
        Wanted::CometCallback(callback) => {
            return begin_comet(Call::new(callback), settings, request);
        }
        // Its response is the handshake's: see `open_socket`.
        Wanted::WebSocket => return None,
        Wanted::CometPost(origin) => return begin_comet(Call::post(origin), settings, request),
    };
    Some((transport, respond(content_type)))
}

fn begin_comet(
    call: Call,
    settings: &Settings,
    request: &Parts,
) -> Option<(Transport, Response<Body>)> {
    let nonce = request.extensions.get::<CspNonce>().cloned();
    let nonce = nonce.or_else(CspNonce::fresh)?;
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors {}",
        settings.origins.frame_ancestors()
    );
    let mut response = respond("text/html; charset=utf-8");
    let policy = HeaderValue::try_from(policy).ok()?;
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response.extensions_mut().insert(SameOriginFrame);
    Some((Transport::Comet(call.nonce(Nonce::from(nonce))), response))
}

fn respond(content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = live_headers(Some(HeaderValue::from_static(content_type)));
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
