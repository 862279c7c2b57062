//! The gallery's WebSockets. Pages of other origins may open them with `?origin=any`.

use axum::{
    Router,
    extract::{FromRequestParts, RawQuery},
    response::{IntoResponse, Response},
    routing::any,
};
use encke::{
    BadRequest, Body, BoxError, WebSocket, problem,
    websocket::{CloseCode, CloseWith, NotUpgradable, Text},
};
use futures_util::{StreamExt, stream};
use http::{HeaderName, HeaderValue, StatusCode, header::SET_COOKIE, request::Parts};
use serde::{Deserialize, Serialize};

use super::Query;

/// For Autobahn, whose messages grow to this size.
const LARGE: usize = 16 << 20;

pub(super) fn routes() -> Router {
    Router::new()
        .route("/ws/echo", any(echo))
        .route("/ws/text", any(text))
        .route("/ws/binary", any(binary))
        .route("/ws/json", any(json))
        .route("/ws/hello", any(hello))
        .route("/ws/hello-close", any(hello_close))
        .route("/ws/close", any(close))
        .route("/ws/fail", any(fail))
        .route("/ws/reject", any(reject))
        .route("/ws/protocols", any(protocols))
        .route("/ws/headers", any(headers))
        .route("/ws/slow", any(slow))
}

/// A WebSocket, opened by whichever page the query says.
struct Socket(WebSocket);

impl<S: Sync> FromRequestParts<S> for Socket {
    type Rejection = NotUpgradable;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotUpgradable> {
        let ws = WebSocket::from_request(parts)?;
        let query = Query::new(parts.uri.query().map(str::to_owned));
        Ok(Self(if query.all("origin") == ["any"] {
            ws.any_origin()
        } else {
            ws
        }))
    }
}

async fn echo(Socket(ws): Socket) -> http::Response<Body> {
    ws.max_frame(LARGE)
        .max_message(LARGE)
        .messages(|incoming| incoming.filter(|message| std::future::ready(message.is_data())))
}

async fn text(Socket(ws): Socket) -> http::Response<Body> {
    ws.text(|incoming| incoming)
}

async fn binary(Socket(ws): Socket) -> http::Response<Body> {
    ws.binary(|incoming| incoming)
}

#[derive(Deserialize, Serialize)]
struct Count {
    count: i64,
}

async fn json(Socket(ws): Socket) -> http::Response<Body> {
    ws.json::<Count, Count>(|counts| {
        counts.map(|Count { count }| Count {
            count: count.saturating_add(1),
        })
    })
}

async fn hello(Socket(ws): Socket) -> http::Response<Body> {
    ws.on_ready(|incoming, outgoing| {
        incoming.on_message(|text| println!("{text}"));
        incoming.on_close(|closed| println!("Disconnected: {}", closed.code));
        outgoing.write("Hello!");
    })
}

async fn hello_close(Socket(ws): Socket) -> http::Response<Body> {
    ws.on_ready(|_, outgoing| {
        outgoing.write("Hello!");
        outgoing.close();
    })
}

async fn close(
    Socket(ws): Socket,
    RawQuery(query): RawQuery,
) -> Result<http::Response<Body>, BadRequest> {
    let query = Query::new(query);
    let code = query.one("code", |code| -> Result<_, BoxError> {
        Ok(CloseCode::new(code.parse()?)?)
    })?;
    let code = code.unwrap_or(CloseCode::NORMAL);
    let reason = query.all("reason").concat();
    let end = CloseWith::new(code, reason);
    Ok(ws.text(|_| stream::iter([Err::<Text, _>(end)])))
}

async fn fail(Socket(ws): Socket) -> http::Response<Body> {
    ws.text(|_| stream::iter([Err::<Text, _>("told to fail")]))
}

async fn reject(_: Socket) -> impl IntoResponse {
    let cookie = [(SET_COOKIE, "rejected=1; Path=/")];
    (StatusCode::FORBIDDEN, cookie, "not for you\n")
}

/// Chooses as an application would that does not look at what is offered: that is its own error.
async fn protocols(
    Socket(ws): Socket,
    RawQuery(query): RawQuery,
) -> Result<http::Response<Body>, http::Response<Body>> {
    let ws = match Query::new(query).all("choose").first() {
        None => ws,
        Some(name) => ws
            .subprotocol(name)
            .map_err(|error| problem(StatusCode::INTERNAL_SERVER_ERROR, error))?,
    };
    Ok(ws.text(|incoming| incoming))
}

async fn headers(Socket(ws): Socket) -> http::Response<Body> {
    let name = HeaderName::from_static("x-gallery");
    let cookie = HeaderValue::from_static("gallery=1; Path=/");
    ws.header(name, HeaderValue::from_static("kiki"))
        .header(SET_COOKIE, cookie)
        .text(|incoming| incoming)
}

/// Keeps what comes in, and never looks at it.
async fn slow(Socket(ws): Socket) -> Response {
    ws.with(|ws| async move {
        let (_incoming, outgoing) = ws.accept().await?;
        outgoing.closed().await;
        Ok::<_, BoxError>(())
    })
    .into_response()
}
