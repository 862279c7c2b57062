//! A chat over a bare WebSocket, whose page opens another when the server goes and comes back.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use encke::{Grant, Hub};
use encke_tests::{Browser, Site, Tab, in_every_browser};
use serde_json::{Value, json};

/// What is said while there is no server waits for the next one.
///
/// That one's history began with it: a page that comes back may show all of it.
const PAGE: &str = "<!doctype html>
<title>chat</title>
<ul id=chat></ul>
<script>
  var compressions = [], ends = [], waiting = [], socket;
  function show(text) {
    const line = document.createElement('li');
    line.textContent = text;
    document.getElementById('chat').append(line);
  }
  function say(...texts) {
    waiting.push(...texts);
    while (waiting.length && socket.readyState === WebSocket.OPEN) socket.send(waiting.shift());
  }
  function open() {
    let opened = false;
    socket = new WebSocket('ws://' + location.host + '/live/chat?history=100');
    socket.onopen = () => {
      opened = true;
      compressions.push(socket.extensions);
      say();
    };
    socket.onmessage = event => show(event.data);
    socket.onclose = ({code, reason}) => {
      if (opened) ends.push(code);
      if (code === 4001) show(reason);
      setTimeout(open, 50);
    };
  }
  open();
</script>";

/// The lines of the chat.
const LINES: &str = "[...document.querySelectorAll('#chat li')].map(line => line.textContent)";

/// What a page is told when a server shuts down, and when it is just gone.
const GOING_AWAY: u16 = 1001;
const NOTHING: u16 = 1006;

/// Two visitors, and all that was said so far.
struct Chat<'a> {
    browser: &'a Browser,
    site: Site,
    kiki: Tab,
    bouba: Tab,
    said: Vec<String>,
}

impl<'a> Chat<'a> {
    async fn start(browser: &'a Browser) -> Self {
        let site = Site::start(server("welcome").await).await;
        browser.open(&site.url("/")).await;
        Self {
            browser,
            kiki: browser.tab().await,
            bouba: browser.open_tab(&site.url("/")).await,
            site,
            said: vec!["welcome".to_owned()],
        }
    }

    async fn kiki_says(&mut self, text: &str) {
        self.says(&self.kiki.clone(), text).await;
    }

    async fn bouba_says(&mut self, text: &str) {
        self.says(&self.bouba.clone(), text).await;
    }

    async fn says(&mut self, visitor: &Tab, text: &str) {
        self.browser.switch_to(visitor).await;
        self.browser.run("say(arguments[0])", &[json!(text)]).await;
        self.said.push(text.to_owned());
    }

    /// Both speak in turn.
    async fn goes_on(&mut self) {
        self.kiki_says("short").await;
        self.is_complete().await;
        let long = "well above the threshold of compression, ".repeat(500);
        self.bouba_says(&long).await;
        self.is_complete().await;
    }

    /// A new server comes, and the first it hears was said before.
    async fn comes_back(&mut self, welcome: &str) {
        self.said.push(welcome.to_owned());
        self.kiki_says("is anyone there?").await;
        self.site.start_again(server(welcome).await).await;
        self.is_complete().await;
    }

    /// Waits until both were shown all of it: once, in order.
    async fn is_complete(&self) {
        self.wait_for_both(LINES, json!(self.said)).await;
    }

    async fn wait_for_both(&self, expression: &str, expected: Value) {
        for visitor in [&self.kiki, &self.bouba] {
            self.browser.switch_to(visitor).await;
            self.browser.wait_for(expression, expected.clone()).await;
        }
    }
}

/// A server that has just started; `welcome` was said before anyone came.
async fn server(welcome: &str) -> Router {
    let hub = Hub::default();
    let channel = hub.channel("chat").expect("a name");
    channel.publish(welcome).await.expect("it is published");
    let live = hub.live().client_publish();
    let live = live.authorize(|_, _, _| async { Ok(Grant::new()) });
    Router::new()
        .route("/", get(async || Html(PAGE)))
        .nest_service("/live", live)
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_chat_goes_on_when_the_server_was_restarted() {
    in_every_browser(async |browser| {
        let mut chat = Chat::start(browser).await;
        chat.goes_on().await;

        chat.site.shut_down().await;
        chat.wait_for_both("ends", json!([GOING_AWAY])).await;
        chat.comes_back("welcome back").await;
        chat.goes_on().await;

        chat.site.kill().await;
        chat.wait_for_both("ends", json!([GOING_AWAY, NOTHING]))
            .await;
        chat.comes_back("welcome once more").await;
        chat.goes_on().await;

        let agreed = "compressions.map(extensions => extensions.split(';')[0])";
        let deflate = "permessage-deflate";
        chat.wait_for_both(agreed, json!([deflate, deflate, deflate]))
            .await;
        chat.wait_for_both("ends.length", json!(2)).await;
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn what_is_said_over_a_socket_is_shown_as_text() {
    in_every_browser(async |browser| {
        let mut chat = Chat::start(browser).await;
        for text in [
            "<script>owned = 1</script>",
            "</script><img src=x onerror=\"owned = 1\"> & <b>kiki</b>",
            "\u{2028}\u{0}\u{1f43f} \r\n",
        ] {
            chat.kiki_says(text).await;
        }
        chat.is_complete().await;
        let elements = "document.querySelectorAll('#chat li *').length";
        chat.wait_for_both(elements, json!(0)).await;
        chat.wait_for_both("typeof owned", json!("undefined")).await;
    });
}
