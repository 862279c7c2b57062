//! The callback form of a response, on a socket.

mod wire;

use std::time::Duration;

use encke::{BoxError, Chunked, SendError};
use tokio::{sync::oneshot, time::timeout};
use wire::receive;

#[tokio::test]
async fn what_is_written_arrives_at_once() {
    let (go_on, wait) = oneshot::channel::<()>();
    let mut client = receive(Chunked::with(|out| async move {
        out.write("kiki").await?;
        wait.await.unwrap();
        out.write("foo").await?;
        out.close()
    }))
    .await;
    client.until("4\r\nkiki\r\n").await;
    go_on.send(()).unwrap();
    client.until("4\r\nkiki\r\n3\r\nfoo\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn callback_that_returns_ends_the_response() {
    let client = receive(Chunked::with(|out| async move { out.write("kiki").await })).await;
    assert_eq!(client.response().await.1, "4\r\nkiki\r\n0\r\n\r\n");
}

#[tokio::test]
async fn close_ends_the_response_while_the_callback_runs_on() {
    let (go_on, wait) = oneshot::channel::<()>();
    let (ended, end) = oneshot::channel();
    let client = receive(Chunked::with(|out| async move {
        out.write("kiki").await?;
        out.close()?;
        wait.await.unwrap();
        ended.send(()).unwrap();
        Err::<(), BoxError>("too late to matter".into())
    }))
    .await;
    assert_eq!(client.response().await.1, "4\r\nkiki\r\n0\r\n\r\n");
    go_on.send(()).unwrap();
    end.await.unwrap();
}

#[tokio::test]
async fn error_of_the_callback_cuts_the_response() {
    let client = receive(Chunked::with(|out| async move {
        out.write("kiki").await?;
        Err::<(), BoxError>("broken".into())
    }))
    .await;
    let text = client.rest().await;
    assert!(text.ends_with("\r\n\r\n4\r\nkiki\r\n"), "{text}");
}

#[tokio::test]
async fn panic_of_the_callback_cuts_the_response() {
    let client = receive(Chunked::with(|out| async move {
        out.write("kiki").await?;
        if out.write("").await.is_ok() {
            panic!("on purpose");
        }
        out.close()
    }))
    .await;
    let text = client.rest().await;
    assert!(text.ends_with("\r\n\r\n4\r\nkiki\r\n"), "{text}");
}

#[tokio::test]
async fn callback_learns_within_a_second_that_the_client_has_left() {
    let (left, leaving) = oneshot::channel();
    let mut client = receive(Chunked::with(|out| async move {
        out.write("kiki").await?;
        out.closed().await;
        let refused = out.write("foo").await;
        left.send(refused).unwrap();
        out.close()
    }))
    .await;
    client.until("4\r\nkiki\r\n").await;
    drop(client);
    let refused = timeout(Duration::from_secs(1), leaving)
        .await
        .expect("noticed in time")
        .unwrap();
    assert!(matches!(refused, Err(SendError::Closed)), "{refused:?}");
}

#[tokio::test]
async fn client_that_leaves_before_the_first_write_is_noticed() {
    let (started, start) = oneshot::channel();
    let (left, leaving) = oneshot::channel();
    let client = receive(Chunked::with(|out: encke::Out<&str>| async move {
        started.send(()).unwrap();
        out.closed().await;
        left.send(()).unwrap();
        out.close()
    }))
    .await;
    start.await.unwrap();
    drop(client);
    timeout(Duration::from_secs(1), leaving)
        .await
        .expect("noticed in time")
        .unwrap();
}
