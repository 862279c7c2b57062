//! How many listen to a channel, and where it stands.

use crate::support::Server;

#[test]
fn statistics_tell_who_listens_and_where_a_channel_stands() {
    let server = Server::start(&[]);
    let before = server.ask("GET /stats/news/%C3%A9t%C3%A9", &[], b"").json();
    assert_eq!(before["channel"], "news/été");
    assert_eq!(before["subscribers"], 0);

    let mut listener = server.listen("/live/news/%C3%A9t%C3%A9", &[]);
    let published = server.publish("news/%C3%A9t%C3%A9", &[], b"kiki").json();
    listener.until("kiki");
    let answer = server.ask("GET /stats/news/%C3%A9t%C3%A9", &[], b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let stats = answer.json();
    assert_eq!(stats["subscribers"], 1);
    assert_eq!(stats["epoch"], published["epoch"]);
    assert_eq!(stats["offset"], published["offset"]);

    server.publish("news/%C3%A9t%C3%A9", &[], b"bouba");
    let since = stats["position"].as_str().expect("a position");
    let mut later = server.listen(&format!("/live/news/%C3%A9t%C3%A9?since={since}"), &[]);
    let seen = later.until("bouba");
    assert!(!seen.contains("kiki") && !seen.contains("gap"), "{seen}");
}

#[test]
fn statistics_are_for_who_may_publish() {
    let server = Server::start(&["--publish-token", "s3cret"]);
    server.ask("GET /stats/news", &[], b"").problem(401);
    let token = ["Authorization: Bearer s3cret"];
    assert_eq!(server.ask("GET /stats/news", &token, b"").status, 200);
    assert_eq!(server.ask("HEAD /stats/news", &token, b"").status, 200);
    server
        .ask("GET /stats/news", &["Host: evil.example"], b"")
        .problem(421);
}

#[test]
fn bad_questions_are_told() {
    let server = Server::start(&[]);
    for channel in ["", "%ff", "a%0Ab", "%00"] {
        let target = format!("GET /stats/{channel}");
        server.ask(&target, &[], b"").problem(400);
    }
    server.ask("GET /stats", &[], b"").problem(404);
    let answer = server.ask("POST /stats/news", &[], b"x");
    answer.problem(405);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
}
