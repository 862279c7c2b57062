//! A forever iframe shows messages as they are sent, and does not grow.

use encke::Comet;
use encke_tests::in_every_browser;
use serde_json::json;

use crate::pages::forever_iframe;

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn each_message_is_shown_before_the_next_is_sent() {
    in_every_browser(async |browser| {
        let (site, sender) = forever_iframe(Comet::string).await;
        browser.open(&site.url("/")).await;
        let mut sent = Vec::new();
        for message in ["kiki", "foo", "bar"] {
            sender.send(message).expect("the response is read");
            sent.push(message);
            browser.wait_for("messages", json!(sent)).await;
        }
        assert_eq!(browser.eval("document.readyState").await, "complete");
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn the_iframe_does_not_grow_with_two_thousand_messages() {
    in_every_browser(async |browser| {
        let (site, sender) = forever_iframe(Comet::json).await;
        browser.open(&site.url("/")).await;
        for number in 0..2_000 {
            sender.send(number).expect("the response is read");
            // Some in one packet, some in their own: the parser stops at different places.
            if number % 100 == 99 {
                browser.wait_for("messages.length", number + 1).await;
            }
        }
        let in_order = "messages.every((message, index) => message === index)";
        assert_eq!(browser.eval(in_order).await, true);
        browser
            .wait_for("comet.contentDocument.scripts.length < 5", true)
            .await;
        let size = "comet.contentDocument.documentElement.outerHTML.length < 10_000";
        browser.wait_for(size, true).await;
    });
}
