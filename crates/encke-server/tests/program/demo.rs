//! The demo page and its channels.

use crate::support::Server;

#[test]
fn the_page_loads_only_what_the_program_serves() {
    let server = Server::start(&[]);
    let page = server.ask("GET /", &[], b"");
    assert_eq!(page.status, 200);
    let policy = page
        .header("content-security-policy")
        .expect("the page has a policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));

    let references = page
        .body
        .split(['"', '\''])
        .filter(|text| text.starts_with('/') && !text.contains(' '));
    let mut files = 0;
    for file in references {
        let answer = server.ask(&format!("GET {file}"), &[], b"");
        assert_eq!(answer.status, 200, "{file}");
        assert!(!answer.body.contains("innerHTML"), "{file}");
        files += 1;
    }
    assert!(
        files >= 3,
        "the page names its style, its script and its icon"
    );
    assert!(
        !page.body.contains("<style") && !page.body.contains("onclick"),
        "the policy would block it"
    );
}

#[test]
fn one_connection_carries_all_three_channels() {
    let server = Server::start(&[]);
    let target = "/live?channel=demo/clock&channel=demo/chat&channel=demo/chart";
    for headers in [&["Accept: text/event-stream"][..], &[]] {
        let mut stream = server.listen(target, headers);
        assert_eq!(server.publish("demo/chat", &[], b"kiki").status, 200);
        stream.until(r#""data":"kiki""#);
        stream.until(r#""channel":"demo/clock""#);
        stream.until(r#""channel":"demo/chart""#);
    }
}
