//! The browsers themselves: if these fail, the rest says nothing about encke.

use encke_tests::{Site, in_every_browser};

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_page_of_ours_runs_its_script() {
    in_every_browser(async |browser| {
        let site = Site::of_page("<p id=p></p><script>p.textContent = 'kiki'</script>").await;
        browser.open(&site.url("/")).await;
        browser.wait_for("p.textContent", "kiki").await;
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn tabs_are_told_apart() {
    in_every_browser(async |browser| {
        let site =
            Site::of_page("<p id=p></p><script>p.textContent = location.hash</script>").await;
        browser.open(&site.url("/#one")).await;
        let first = browser.tab().await;
        browser.open_tab(&site.url("/#two")).await;
        browser.wait_for("p.textContent", "#two").await;
        browser.switch_to(&first).await;
        browser.wait_for("p.textContent", "#one").await;
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn no_browser_reaches_the_outside() {
    in_every_browser(async |browser| {
        let site = Site::of_page("<script>outcome = ''; fetch('http://example.org/', {mode: 'no-cors'}).then(() => outcome = 'reached', () => outcome = 'refused')</script>").await;
        browser.open(&site.url("/")).await;
        browser.wait_for("outcome", "refused").await;
    });
}
