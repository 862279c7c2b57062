//! A WebSocket for those who have logged in: who they are is in a signed cookie.

use axum::{
    Form, Router,
    extract::FromRef,
    response::{Html, IntoResponse, Redirect, Response},
    routing::{any, get, post},
};
use axum_extra::extract::cookie::{Cookie, Key, SameSite, SignedCookieJar};
use encke::WebSocket;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use serde::Deserialize;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().skip_while(|arg| arg != "--listen").nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:9100".into());
    let listener = encke::listen(address).await?;
    println!("http://{}/", listener.local_addr()?);
    encke::serve(listener, app()).await
}

#[derive(Clone)]
struct App {
    /// New at every start, which logs everyone out.
    key: Key,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

pub fn app() -> Router {
    Router::new()
        .route("/", get(async || Html(INDEX)))
        .route("/login", post(login))
        .route("/ws", any(socket))
        .with_state(App {
            key: Key::generate(),
        })
}

#[derive(Deserialize)]
struct Login {
    name: String,
}

/// A real one asks for a password.
async fn login(cookies: SignedCookieJar, Form(Login { name }): Form<Login>) -> impl IntoResponse {
    let cookie = Cookie::build(("name", name))
        .http_only(true)
        .same_site(SameSite::Strict);
    (cookies.add(cookie), Redirect::to("/"))
}

/// The cookie tells who it is; that the page is one of ours, the socket has seen to.
async fn socket(cookies: SignedCookieJar, ws: WebSocket) -> Response {
    let Some(name) = cookies.get("name") else {
        return (StatusCode::FORBIDDEN, "log in first\n").into_response();
    };
    let name = name.value().to_owned();
    let hello = stream::iter([format!("Hello, {name}!")]);
    ws.text(move |incoming| hello.chain(incoming.map(move |text| format!("{name}: {text}"))))
        .into_response()
}

const INDEX: &str = r#"<!doctype html>
<title>Login</title>
<form method="post" action="/login"><input name="name" autofocus placeholder="Your name"></form>
<form id="form"><input id="said" placeholder="Say something"></form>
<ul id="heard"></ul>
<script>
  const show = (text) => {
    const item = document.createElement('li')
    item.textContent = text
    document.getElementById('heard').append(item)
  }
  const socket = new WebSocket(new URL('/ws', location.href.replace('http', 'ws')))
  socket.onmessage = (event) => show(event.data)
  socket.onclose = () => show('not connected: log in')
  document.getElementById('form').onsubmit = (event) => {
    event.preventDefault()
    socket.send(document.getElementById('said').value)
  }
</script>
"#;
