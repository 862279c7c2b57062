//! The demo page of the program, used by a visitor.

use encke_tests::{Browser, Program, in_every_browser};
use fantoccini::Locator;
use serde_json::{Value, json};

/// Says something in the chat of the page, by keyboard and mouse.
async fn say(browser: &Browser, text: &str) {
    let client = browser.client();
    let input = client.find(Locator::Id("chat-input")).await;
    let input = input.expect("the page has an input");
    input.send_keys(text).await.expect("one can type there");
    let send = client.find(Locator::Id("chat-send")).await;
    let send = send.expect("the page has a button");
    send.click().await.expect("one can click there");
    browser
        .wait_for("document.getElementById('chat-input').value", "")
        .await;
}

async fn choose(browser: &Browser, transport: &str) {
    let choice = format!("//label[input[@name='transport'][@value='{transport}']]");
    let choice = browser.client().find(Locator::XPath(&choice)).await;
    let choice = choice.expect("the page offers it");
    choice.click().await.expect("one can click there");
}

/// The lines of the chat.
const CHAT: &str = "[...document.querySelectorAll('#chat li')].map(line => line.textContent)";

/// Every clock tick, in the order they came.
const TICKS: &str = "[...document.querySelectorAll('#log tr[data-channel=\"demo/clock\"]')]
    .map(row => Number(row.dataset.offset)).reverse()";

async fn wait_until_live(browser: &Browser) {
    browser
        .wait_for("document.getElementById('status').dataset.state", "live")
        .await;
}

async fn ticks(browser: &Browser) -> Vec<u64> {
    let ticks = browser.eval(TICKS).await;
    let ticks = ticks
        .as_array()
        .map(|ticks| ticks.iter().filter_map(Value::as_u64).collect());
    ticks.expect("a list of numbers")
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn four_tabs_are_live_at_once() {
    in_every_browser(async |browser| {
        let program = Program::start().await;
        browser.open(&program.url("/")).await;
        let mut tabs = vec![browser.tab().await];
        for query in ["?transport=ws", "?transport=comet", "?transport=comet"] {
            tabs.push(browser.open_tab(&program.url(&format!("/{query}"))).await);
        }
        for (number, tab) in tabs.iter().enumerate() {
            browser.switch_to(tab).await;
            wait_until_live(browser).await;
            say(browser, &format!("from tab {number}")).await;
        }
        let said: Vec<String> = (0..4).map(|number| format!("from tab {number}")).collect();
        for tab in &tabs {
            browser.switch_to(tab).await;
            browser.wait_for(CHAT, json!(said)).await;
            assert_eq!(
                browser
                    .eval("document.getElementById('gaps').textContent")
                    .await,
                "0"
            );
            assert_eq!(
                browser
                    .eval("document.getElementById('connections').textContent")
                    .await,
                "1"
            );
        }
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn what_a_visitor_types_is_shown_as_text() {
    in_every_browser(async |browser| {
        let program = Program::start().await;
        let typed =
            "</script><img src=x onerror=\"owned = 1\"><script>owned = 1</script> & <b>kiki</b>";
        for transport in ["sse", "comet", "ws"] {
            browser
                .open(&program.url(&format!("/?transport={transport}")))
                .await;
            wait_until_live(browser).await;
            say(browser, typed).await;
            browser.wait_for(&format!("{CHAT}.at(-1)"), typed).await;
            let elements = "document.querySelectorAll('#chat li *, #log td *, img[src=x]').length";
            assert_eq!(browser.eval(elements).await, 0, "{transport}");
            assert_eq!(
                browser.eval("typeof owned").await,
                "undefined",
                "{transport}"
            );
        }
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn switching_the_transport_loses_nothing_and_repeats_nothing() {
    in_every_browser(async |browser| {
        let program = Program::start().await;
        browser.open(&program.url("/")).await;
        let mut said = Vec::new();
        for transport in ["sse", "comet", "ws", "sse", "ws", "comet"] {
            choose(browser, transport).await;
            said.push(format!("over {transport}, line {}", said.len()));
            say(browser, &said[said.len() - 1]).await;
            browser.wait_for(CHAT, json!(said)).await;
        }
        let before = ticks(browser).await.len();
        browser
            .wait_for(&format!("{TICKS}.length > {before}"), true)
            .await;
        let ticks = ticks(browser).await;
        let expected: Vec<u64> = (ticks[0]..).take(ticks.len()).collect();
        assert_eq!(ticks, expected);
        assert_eq!(
            browser
                .eval("document.getElementById('gaps').textContent")
                .await,
            "0"
        );
    });
}
