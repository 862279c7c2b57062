//! What chunked responses look like on a socket.

mod wire;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use encke::{BoxError, Chunked};
use futures_util::{StreamExt, stream};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use wire::{Client, GET, ask, receive, serve};

#[tokio::test]
async fn every_item_is_one_chunk() {
    let client = ask(GET, || Chunked::text(stream::iter(["kiki", "foo", "bar"]))).await;
    let (head, body) = client.response().await;
    assert_eq!(body, "4\r\nkiki\r\n3\r\nfoo\r\n3\r\nbar\r\n0\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"));
    for header in [
        "content-type: text/plain; charset=utf-8",
        "cache-control: no-store, no-transform",
        "x-accel-buffering: no",
        "transfer-encoding: chunked",
    ] {
        assert!(
            head.contains(&format!("\r\n{header}")),
            "{header} is missing: {head}"
        );
    }
    assert!(!head.contains("content-encoding"), "{head}");
}

#[tokio::test]
async fn chunk_is_sent_when_its_item_is_there() {
    let (items, received) = mpsc::unbounded_channel();
    let received = UnboundedReceiverStream::<String>::new(received);
    let mut client = receive(Chunked::text(received)).await;
    for item in ["kiki", "foo", "bar"] {
        items.send(item.to_owned()).unwrap();
        client.until(&format!("{item}\r\n")).await;
    }
    drop(items);
    client.until("\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn empty_items_are_skipped() {
    let client = ask(GET, || {
        Chunked::text(stream::iter(["", "kiki", "", "", "bar", ""]))
    })
    .await;
    assert_eq!(
        client.response().await.1,
        "4\r\nkiki\r\n3\r\nbar\r\n0\r\n\r\n"
    );
}

#[tokio::test]
async fn content_type_follows_the_items_unless_told() {
    let bytes = || stream::iter([b"\xff".to_vec()]);
    let json = || stream::iter([serde_json::json!({"kiki": 1})]);
    let html = HeaderValue::from_static("text/html; charset=utf-8");

    let head = async |chunked: Chunked| {
        let response: Response<_> = chunked.into();
        response
            .headers()
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        head(Chunked::bytes(bytes())).await.unwrap(),
        "application/octet-stream"
    );
    assert_eq!(
        head(Chunked::json(json())).await.unwrap(),
        "application/json"
    );
    assert_eq!(
        head(Chunked::json(json()).content_type(html))
            .await
            .unwrap(),
        "text/html; charset=utf-8"
    );
    assert_eq!(head(Chunked::bytes(bytes()).no_content_type()).await, None);
}

#[tokio::test]
async fn json_values_are_chunks() {
    let client = ask(GET, || {
        Chunked::json(stream::iter([("kiki", 1), ("foo", 2)]))
    })
    .await;
    assert_eq!(
        client.response().await.1,
        "A\r\n[\"kiki\",1]\r\n9\r\n[\"foo\",2]\r\n0\r\n\r\n"
    );
}

#[tokio::test]
async fn attachment_is_named() {
    let client = ask(GET, || {
        Chunked::text(stream::iter(["kiki"])).attachment("kiki.txt")
    })
    .await;
    let (head, _) = client.response().await;
    assert!(
        head.contains("content-disposition: attachment; filename=\"kiki.txt\""),
        "{head}"
    );
}

fn with_trailers() -> Chunked {
    Chunked::text(stream::iter(["kiki"]))
        .trailer(HeaderName::from_static("x-items"), || HeaderValue::from(1))
        .trailer(HeaderName::from_static("x-end"), || {
            HeaderValue::from_static("bar")
        })
}

#[tokio::test]
async fn trailers_follow_for_clients_that_take_them() {
    let request = "GET / HTTP/1.1\r\nhost: encke\r\nte: trailers\r\n\r\n";
    let mut client = ask(request, with_trailers).await;
    let text = client.until("bar\r\n\r\n").await;
    assert!(text.contains("\r\ntrailer: x-items, x-end\r\n"), "{text}");
    assert!(
        text.ends_with("4\r\nkiki\r\n0\r\nx-items: 1\r\nx-end: bar\r\n\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn trailers_are_left_out_for_other_clients() {
    let client = ask(GET, with_trailers).await;
    assert_eq!(client.response().await.1, "4\r\nkiki\r\n0\r\n\r\n");
}

#[tokio::test]
async fn http_1_0_client_gets_the_items_and_then_the_end() {
    let request = "GET / HTTP/1.0\r\n\r\n";
    let client = ask(request, || {
        Chunked::text(stream::iter(["kiki", "foo", "bar"]))
    })
    .await;
    let text = client.rest().await;
    assert!(text.ends_with("\r\n\r\nkikifoobar"), "{text}");
    assert!(!text.contains("transfer-encoding"), "{text}");
}

/// Remembers whether the stream was ever read.
fn watched(read: &Arc<AtomicBool>) -> Chunked {
    let read = Arc::clone(read);
    Chunked::text(stream::repeat("kiki").inspect(move |_| read.store(true, Ordering::SeqCst)))
}

#[tokio::test]
async fn responses_without_a_body_never_read_their_stream() {
    for (method, status) in [
        ("HEAD", StatusCode::OK),
        ("GET", StatusCode::NO_CONTENT),
        ("GET", StatusCode::NOT_MODIFIED),
    ] {
        let read = Arc::new(AtomicBool::new(false));
        let watch = Arc::clone(&read);
        let address = serve(move |_| {
            let mut response = watched(&watch).into_response();
            *response.status_mut() = status;
            response
        })
        .await;
        let request = format!("{method} / HTTP/1.1\r\nhost: encke\r\nconnection: close\r\n\r\n");
        let text = Client::send(address, &request).await.rest().await;
        assert!(
            text.ends_with("\r\n\r\n") && text.starts_with("HTTP/1.1"),
            "{text}"
        );
        assert!(!text.contains("kiki"), "{text}");
        assert!(!read.load(Ordering::SeqCst), "{method} {status}");
        assert_eq!(
            Arc::strong_count(&read),
            2,
            "the stream of {method} {status} is still there"
        );
    }
}

#[tokio::test]
async fn callback_of_a_response_without_a_body_never_runs() {
    let read = Arc::new(AtomicBool::new(false));
    let ran = Arc::clone(&read);
    let request = "HEAD / HTTP/1.1\r\nhost: encke\r\nconnection: close\r\n\r\n";
    let client = ask(request, move || {
        let ran = Arc::clone(&ran);
        Chunked::with(|out| async move {
            ran.store(true, Ordering::SeqCst);
            out.write("kiki").await
        })
    })
    .await;
    client.rest().await;
    assert!(!read.load(Ordering::SeqCst));
}

#[tokio::test]
async fn error_cuts_the_response_after_all_that_came_before() {
    let items: [Result<&str, BoxError>; 3] = [Ok("kiki"), Ok("foo"), Err("broken".into())];
    let text = receive(Chunked::text(stream::iter(items)))
        .await
        .rest()
        .await;
    assert!(
        text.ends_with("\r\n\r\n4\r\nkiki\r\n3\r\nfoo\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn error_without_any_item_leaves_the_head() {
    let client = ask(GET, || {
        Chunked::text(stream::iter([Err::<String, _>(std::fmt::Error)]))
    })
    .await;
    let text = client.rest().await;
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"),
        "{text}"
    );
    assert!(!text.contains("0\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn large_items_before_an_error_arrive_whole() {
    const ITEM: usize = 64 * 1024;
    let client = ask(GET, || {
        let items = stream::iter((0..40).map(|_| Ok(vec![b'k'; ITEM])));
        Chunked::bytes(items.chain(stream::iter([Err(BoxError::from("broken"))])))
    })
    .await;
    let text = client.rest().await;
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.matches('k').count(), 40 * ITEM);
}
