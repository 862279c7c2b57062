//! What a Comet socket looks like on the wire.

mod wire;

use std::time::Duration;

use encke::{BoxError, Comet, CometMessage, Expression, Json, MessageError, Nonce, Prelude};
use futures_util::{Stream, stream};
use serde_json::json;
use tokio::sync::oneshot;
use wire::receive;

fn comet() -> Comet<()> {
    Comet::new("parent.cometMessage").unwrap()
}

#[tokio::test]
async fn bytes_are_those_of_play() {
    let comet = comet()
        .string(stream::iter(["kiki", "foo"]))
        .prelude(Prelude::play());
    let (head, body) = receive(comet).await.response().await;
    for header in [
        "content-type: text/html; charset=utf-8",
        "cache-control: no-store, no-transform",
        "x-accel-buffering: no",
    ] {
        assert!(head.contains(header), "{header} is missing: {head}");
    }
    let padding = " ".repeat(5120);
    assert_eq!(
        body,
        format!(
            "140C\r\n{padding}<html><body>\r\n\
             2D\r\n<script>parent.cometMessage('kiki');</script>\r\n\
             2C\r\n<script>parent.cometMessage('foo');</script>\r\n\
             0\r\n\r\n"
        )
    );
}

#[tokio::test]
async fn nonce_is_on_every_script() {
    let comet = comet()
        .nonce(Nonce::new("abc").unwrap())
        .string(stream::iter(["kiki"]))
        .prelude(Prelude::default());
    let (_, body) = receive(comet).await.response().await;
    assert!(
        body.contains("<script nonce=\"abc\">parent.cometMessage('kiki');</script>"),
        "{body}"
    );
    assert_eq!(
        body.matches("<script").count(),
        body.matches("<script nonce=\"abc\">").count()
    );
    assert_eq!(body.matches("<script").count(), 2);
}

struct Tick(u32);

impl CometMessage for Tick {
    fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
        expression.code("new Date(")?.json(&self.0)?.code(")")?;
        Ok(())
    }
}

#[tokio::test]
async fn messages_are_strings_json_and_types_of_the_application() {
    let calls = async |comet: Comet| {
        let (_, body) = receive(comet.prelude(Prelude::none()))
            .await
            .response()
            .await;
        let scripts = body.split("<script>").skip(1);
        scripts
            .map(|s| s.split(";</script>").next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let json = comet().json(stream::iter([json!({"a": "</script>"}), json!(null)]));
    assert_eq!(
        calls(json).await,
        [
            r#"parent.cometMessage({"a":"\u003c/script\u003e"})"#,
            "parent.cometMessage(null)",
        ]
    );
    let ticks = comet().messages(stream::iter([Tick(7)]));
    assert_eq!(calls(ticks).await, ["parent.cometMessage(new Date(7))"]);
    let strings = comet().string(stream::iter(["it's".to_owned()]));
    assert_eq!(calls(strings).await, [r"parent.cometMessage('it\'s')"]);
}

#[tokio::test]
async fn streams_of_results_end_with_their_error() {
    fn broken<T>(item: T) -> impl Stream<Item = Result<T, BoxError>> {
        stream::iter([Ok(item), Err("broken".into())])
    }
    for comet in [
        comet().string(broken("kiki")),
        comet().json(broken("kiki")),
        comet().messages(broken(Json("kiki"))),
    ] {
        let text = receive(comet.prelude(Prelude::none())).await.rest().await;
        assert!(text.contains("kiki"), "{text}");
        assert!(!text.contains("0\r\n\r\n"), "{text}");
    }
}

#[tokio::test]
async fn quiet_comet_is_kept_alive_by_empty_scripts() {
    let comet = comet()
        .string(stream::pending::<String>())
        .prelude(Prelude::none())
        .keep_alive(Duration::from_millis(1));
    receive(comet)
        .await
        .until("11\r\n<script></script>\r\n11\r\n<script></script>\r\n")
        .await;
}

#[tokio::test]
async fn prelude_arrives_before_there_is_a_message() {
    let comet = comet().string(stream::pending::<String>());
    receive(comet).await.until("<html><body>\r\n").await;
}

#[tokio::test]
async fn connected_comet_sends_strings_and_json() {
    let (go_on, wait) = oneshot::channel::<()>();
    let mut client = receive(
        comet()
            .prelude(Prelude::none())
            .on_connected(|comet| async move {
                comet.send("kiki").await?;
                wait.await.unwrap();
                comet.send(json!({"foo": "bar"})).await?;
                comet.close()
            }),
    )
    .await;
    client
        .until("<script>parent.cometMessage('kiki');</script>")
        .await;
    go_on.send(()).unwrap();
    let call = "<script>parent.cometMessage({\"foo\":\"bar\"});</script>\r\n0\r\n\r\n";
    client.until(call).await;
}
