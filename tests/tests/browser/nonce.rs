//! A Content-Security-Policy with a nonce: our scripts run, others do not.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use encke::{BadRequest, Comet, CspNonce, Prelude, SecurityHeaders};
use encke_tests::{Site, in_every_browser};
use serde_json::json;
use tokio_stream::StreamExt;

async fn page(nonce: CspNonce) -> Html<String> {
    let script = "
        var messages = [], injected = [];
        function cometMessage(message) { messages.push(message); }
        addEventListener('load', () => setTimeout(() => {
            const frame = document.createElement('iframe');
            frame.src = '/comet';
            document.body.append(frame);
        }));";
    Html(format!(
        "<!doctype html><script nonce='{nonce}'>{script}</script>"
    ))
}

async fn comet(nonce: CspNonce) -> Result<Comet, BadRequest> {
    let injected = "<script>parent.injected.push('script')</script>\
        <img src=x: onerror=\"parent.injected.push('handler')\">\
        <script nonce=guessed>parent.injected.push('guess')</script>";
    let messages = tokio_stream::iter(["kiki", "foo"]).chain(tokio_stream::pending());
    Ok(Comet::new("parent.cometMessage")?
        .prelude(Prelude::custom(injected).padding(5_120))
        .string(messages)
        .nonce(nonce))
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn messages_run_and_an_injected_script_does_not() {
    in_every_browser(async |browser| {
        let router = Router::new()
            .route("/", get(page))
            .route("/comet", get(comet))
            .layer(SecurityHeaders::default());
        let site = Site::start(router).await;
        browser.open(&site.url("/")).await;
        browser.wait_for("messages", json!(["kiki", "foo"])).await;
        // What was injected stands before the messages.
        assert_eq!(browser.eval("injected").await, json!([]));
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn the_default_prelude_runs_under_the_policy_too() {
    in_every_browser(async |browser| {
        let comet = async |nonce: CspNonce| -> Result<Comet, BadRequest> {
            let messages = tokio_stream::iter(0..500).chain(tokio_stream::pending());
            Ok(Comet::new("parent.cometMessage")?
                .json(messages)
                .nonce(nonce))
        };
        let router = Router::new()
            .route("/", get(page))
            .route("/comet", get(comet))
            .layer(SecurityHeaders::default());
        let site = Site::start(router).await;
        browser.open(&site.url("/")).await;
        browser.wait_for("messages.length", 500).await;
        browser
            .wait_for("frames[0].document.scripts.length < 5", true)
            .await;
    });
}
