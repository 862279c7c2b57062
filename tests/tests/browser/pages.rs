//! Pages that listen, and keep what they hear in `messages`, a `var` so that iframes reach it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use encke::Comet;
use encke_tests::Site;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio_stream::wrappers::UnboundedReceiverStream;

/// A forever iframe on `/comet`, as a reader of the README would write it.
///
/// For WebKit, an iframe inserted while `load` is dispatched is still part of loading the page:
/// without `setTimeout` the page never finishes.
const FOREVER_IFRAME: &str = r"<!doctype html>
<title>forever iframe</title>
<script>
  var messages = [];
  function cometMessage(message) { messages.push(message); }
  addEventListener('load', () => setTimeout(() => {
    const frame = document.createElement('iframe');
    frame.id = 'comet';
    frame.hidden = true;
    frame.src = '/comet';
    document.body.append(frame);
  }));
</script>";

/// A page with a forever iframe, whose messages are those sent to what is returned.
///
/// The stream has not ended as long as the sender lives.
pub(crate) async fn forever_iframe<T, R>(comet: R) -> (Site, UnboundedSender<T>)
where
    T: Send + 'static,
    R: Fn(Comet<()>, UnboundedReceiverStream<T>) -> Comet + Clone + Send + Sync + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let router = Router::new()
        .route("/", get(async || Html(FOREVER_IFRAME)))
        .route(
            "/comet",
            get(async move || {
                let receiver = receiver.lock().expect("no holder panics").take();
                let receiver = receiver.expect("the iframe is loaded once");
                let call = Comet::new("parent.cometMessage").expect("a callback");
                comet(call, UnboundedReceiverStream::new(receiver))
            }),
        );
    (Site::start(router).await, sender)
}
