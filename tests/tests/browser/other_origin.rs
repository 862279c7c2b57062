//! Comet sockets in pages of another origin: an allowed one is posted to, others hear nothing.

use axum::Router;
use axum::extract::RawQuery;
use axum::response::Html;
use axum::routing::get;
use encke::{Hub, JsonText};
use encke_tests::{Site, in_every_browser};
use http::StatusCode;
use serde_json::json;

use crate::answers::Answers;

/// A page that loads its query string as a forever iframe, and keeps what that sends.
async fn page(RawQuery(url): RawQuery) -> Html<String> {
    let url = json!(url.unwrap_or_default());
    Html(format!(
        "<!doctype html><title>other origin</title><script>
            var messages = [];
            addEventListener('message', event => messages.push([event.origin, event.data]));
            addEventListener('load', () => setTimeout(() => {{
                const frame = document.createElement('iframe');
                frame.src = {url};
                document.body.append(frame);
            }}));
        </script>"
    ))
}

async fn site() -> Site {
    Site::start(Router::new().route("/", get(page))).await
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn an_allowed_page_on_another_port_is_posted_every_message() {
    in_every_browser(async |browser| {
        let page = site().await;
        let hub = Hub::default();
        let live = hub.live().allow_origin(page.origin()).expect("an origin");
        let live = Site::start(Router::new().nest_service("/live", live)).await;
        let news = hub.channel("news").expect("a name");

        news.publish("before").await.expect("it is published");
        let frame = live.url(&format!("/live/news?history=1&post={}", page.origin()));
        browser.open(&page.url(&format!("/?{frame}"))).await;
        // Where it stands comes first, and alone.
        browser.wait_for("messages.length", 2).await;
        let first = "Object.keys(messages[0][1])";
        assert_eq!(browser.eval(first).await, json!(["position"]));

        let json = JsonText::parse(r#"{"__proto__": 1, "a": "</script>"}"#).expect("JSON");
        news.publish(json).await.expect("it is published");
        browser.wait_for("messages.length", 3).await;

        let told = "messages.slice(1).map(([origin, {data}]) => [origin, JSON.stringify(data)])";
        let expected = json!([
            [live.origin(), r#""before""#],
            [live.origin(), r#"{"__proto__":1,"a":"</script>"}"#],
        ]);
        assert_eq!(browser.eval(told).await, expected);
        let positions =
            "messages.every(([, {position}]) => typeof position === 'string' && position)";
        assert_ne!(browser.eval(positions).await, false);
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_page_that_nobody_allowed_is_not_posted_to() {
    in_every_browser(async |browser| {
        let page = site().await;
        let hub = Hub::default();
        let (live, answers) = Answers::of(hub.live());
        let live = Site::start(live).await;
        let news = hub.channel("news").expect("a name");
        news.publish("secret").await.expect("it is published");

        let frame = live.url(&format!("/live/news?history=1&post={}", page.origin()));
        browser.open(&page.url(&format!("/?{frame}"))).await;
        assert_eq!(answers.next().await, StatusCode::FORBIDDEN);
        assert_eq!(browser.eval("messages").await, json!([]));
    });
}
