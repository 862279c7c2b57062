//! An EventSource that was cut off continues where it was, or is told what it missed.

use std::time::Duration;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use encke::{ChannelHandle, Hub, HubConfig, Position};
use encke_tests::{Browser, Proxy, Site, in_every_browser};
use serde_json::{Value, json};

/// Keeps what it hears on `/live/news`, with the query string it was opened with.
const EVENT_SOURCE: &str = "<!doctype html>
<title>event source</title>
<script>
  var messages = [], gaps = [], opened = 0;
  const source = new EventSource('/live/news' + location.search);
  source.onopen = () => opened++;
  source.onmessage = event => messages.push(parseInt(event.data));
  source.addEventListener('gap', event => gaps.push(JSON.parse(event.data)));
</script>";

/// A site with one channel, all of whose publications can be recovered.
struct News {
    site: Site,
    channel: ChannelHandle,
}

impl News {
    async fn start() -> Self {
        let config = HubConfig::default().history(10_000, Duration::from_secs(600));
        let hub = Hub::new(config);
        let router = Router::new()
            .route("/", get(async || Html(EVENT_SOURCE)))
            .nest_service("/live", hub.live());
        Self {
            site: Site::start(router).await,
            channel: hub.channel("news").expect("a name"),
        }
    }

    async fn publish(&self, number: u64) -> Position {
        // Large enough that a cut often finds one half sent.
        let item = format!("{number} {}", "x".repeat(20_000));
        self.channel.publish(item).await.expect("it is published")
    }
}

async fn assert_got(browser: &Browser, numbers: impl Iterator<Item = u64>) {
    let numbers: Vec<u64> = numbers.collect();
    let length = numbers.len();
    // Whatever else is wrong, the page has heard as much, and shows it below.
    browser
        .wait_for(&format!("messages.length >= {length}"), true)
        .await;
    assert_eq!(browser.eval("messages").await, json!(numbers));
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn nothing_is_lost_and_nothing_comes_twice_when_the_connection_is_cut() {
    in_every_browser(async |browser| {
        let news = News::start().await;
        let proxy = Proxy::before(news.site.origin()).await;
        browser.open(&proxy.url("/")).await;
        browser.wait_for("opened", 1).await;

        // In the middle of a flood.
        for number in 1..=200 {
            news.publish(number).await;
            if number == 100 {
                browser.wait_for("messages.length > 10", true).await;
                proxy.cut();
            }
        }
        assert_got(browser, 1..=200).await;

        // In a quiet moment, with news while nobody listens.
        proxy.cut();
        for number in 201..=220 {
            news.publish(number).await;
        }
        assert_got(browser, 1..=220).await;
        news.publish(221).await;
        assert_got(browser, 1..=221).await;
        assert_eq!(browser.eval("gaps").await, json!([]));
        assert_eq!(browser.eval("opened").await, 3);
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_page_cut_off_before_its_first_message_misses_nothing() {
    in_every_browser(async |browser| {
        let news = News::start().await;
        news.publish(1).await;
        let proxy = Proxy::before(news.site.origin()).await;
        browser.open(&proxy.url("/")).await;
        browser.wait_for("opened", 1).await;
        proxy.cut();
        news.publish(2).await;
        assert_got(browser, 2..=2).await;
        assert_eq!(browser.eval("gaps").await, json!([]));
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_page_opened_with_since_continues_from_where_it_is_not_from_there() {
    in_every_browser(async |browser| {
        let news = News::start().await;
        let mut positions = Vec::new();
        for number in 1..=10 {
            positions.push(news.publish(number).await);
        }
        let proxy = Proxy::before(news.site.origin()).await;
        let since = positions[4];
        browser.open(&proxy.url(&format!("/?since={since}"))).await;
        assert_got(browser, 6..=10).await;
        proxy.cut();
        news.publish(11).await;
        assert_got(browser, 6..=11).await;
        assert_eq!(browser.eval("gaps").await, json!([]));
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_restarted_server_tells_of_a_gap_and_goes_on() {
    in_every_browser(async |browser| {
        let before = News::start().await;
        let proxy = Proxy::before(before.site.origin()).await;
        browser.open(&proxy.url("/")).await;
        browser.wait_for("opened", 1).await;
        for number in 1..=3 {
            before.publish(number).await;
        }
        assert_got(browser, 1..=3).await;

        let after = News::start().await;
        let first = after.publish(11).await;
        after.publish(12).await;
        proxy.cut_and_lead_to(after.site.origin());
        assert_got(browser, (1..=3).chain(11..=12)).await;
        after.publish(13).await;
        assert_got(browser, (1..=3).chain(11..=13)).await;

        let gap =
            json!({"epoch": first.epoch.to_string(), "from": Value::Null, "to": first.offset - 1});
        assert_eq!(browser.eval("gaps").await, json!([gap]));
    });
}
