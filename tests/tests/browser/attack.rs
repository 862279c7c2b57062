//! A channel whose messages are code, and links that would have them run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::response::Html;
use axum::routing::get;
use encke::Hub;
use encke_tests::{Site, in_every_browser};
use http::StatusCode;
use serde_json::json;

use crate::answers::Answers;

/// Callbacks that run what they are given, or reach what no message should.
const CALLBACKS: [&str; 9] = [
    "eval",
    "parent.eval",
    "top.eval",
    "parent.Function",
    "parent.setTimeout",
    "parent.setInterval",
    "parent.open",
    "parent.document.write",
    "parent.frames.eval",
];

/// A page that an attacker got an iframe into.
const PAGE: &str = "<!doctype html>
<title>chat</title>
<script>
  function insert(url) {
    const frame = document.createElement('iframe');
    frame.src = url;
    document.body.append(frame);
  }
</script>
<body></body>";

/// A site where anyone could publish, and did, and whether that ran.
struct Chat {
    site: Site,
    answers: Answers,
    owned: Arc<AtomicBool>,
}

impl Chat {
    async fn start() -> Self {
        let hub = Hub::default();
        let chat = hub.channel("chat").expect("a name");
        let attack = "fetch('/owned'); top.owned = true; document.title = 'owned'";
        chat.publish(attack).await.expect("it is published");

        let owned = Arc::new(AtomicBool::new(false));
        let reached = Arc::clone(&owned);
        let (live, answers) = Answers::of(hub.live());
        let router = live.route("/", get(async || Html(PAGE))).route(
            "/owned",
            get(async move || reached.store(true, Ordering::SeqCst)),
        );
        Self {
            site: Site::start(router).await,
            answers,
            owned,
        }
    }

    /// The link, which asks for the message that is there already.
    fn url(&self, callback: &str) -> String {
        let path = format!("/live/chat?history=1&callback={callback}");
        self.site.url(&path)
    }
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_link_that_names_a_dangerous_callback_runs_nothing() {
    in_every_browser(async |browser| {
        let chat = Chat::start().await;
        let refused = CALLBACKS.map(|callback| (callback, StatusCode::BAD_REQUEST));
        // A good callback, which has no business outside an iframe.
        let unframed = ("parent.cometMessage", StatusCode::FORBIDDEN);
        for (callback, status) in refused.into_iter().chain([unframed]) {
            browser.open(&chat.url(callback)).await;
            assert_eq!(chat.answers.next().await, status, "{callback}");
            assert_ne!(browser.eval("document.title").await, "owned", "{callback}");
        }
        assert!(!chat.owned.load(Ordering::SeqCst));
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn an_iframe_that_names_a_dangerous_callback_runs_nothing() {
    in_every_browser(async |browser| {
        let chat = Chat::start().await;
        browser.open(&chat.site.url("/")).await;
        for callback in CALLBACKS {
            let insert = "window.insert(arguments[0])";
            browser.run(insert, &[json!(chat.url(callback))]).await;
            assert_eq!(
                chat.answers.next().await,
                StatusCode::BAD_REQUEST,
                "{callback}"
            );
        }
        assert_eq!(browser.eval("window.owned === undefined").await, true);
        assert!(!chat.owned.load(Ordering::SeqCst));
    });
}
