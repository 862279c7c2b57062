//! The program over TLS: browsers speak HTTP/2 with it, and have as many streams as they like.

use encke_tests::{Browser, Program, in_every_browser};

async fn open_over_http_2(browser: &Browser, program: &Program) {
    browser.open(&program.url("/")).await;
    let protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
    browser.wait_for(protocol, "h2").await;
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn the_demo_page_is_live_over_every_transport() {
    in_every_browser(async |browser| {
        let program = Program::start_secure().await;
        open_over_http_2(browser, &program).await;
        for transport in ["sse", "comet", "ws"] {
            browser
                .open(&program.url(&format!("/?transport={transport}")))
                .await;
            browser
                .wait_for("document.getElementById('status').dataset.state", "live")
                .await;
            browser
                .wait_for("document.querySelectorAll('#log tr').length > 1", true)
                .await;
        }
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_page_has_more_event_streams_than_http_1_allows() {
    in_every_browser(async |browser| {
        let program = Program::start_secure().await;
        open_over_http_2(browser, &program).await;
        let open = "window.heard = Array(20).fill(0); window.sources = heard.map((_, index) => {
            const source = new EventSource('/live/demo/clock?number=' + index);
            source.onmessage = () => { heard[index] += 1 };
            return source;
        });";
        browser.run(open, &[]).await;
        browser
            .wait_for("heard.every(count => count >= 2)", true)
            .await;
        assert_eq!(
            browser
                .eval("sources.every(source => source.readyState === EventSource.OPEN)")
                .await,
            true
        );
    });
}
