//! Over HTTP/2 a page, its event stream and its WebSocket are streams of one connection.

use std::future::ready;
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::map_request;
use axum::response::Html;
use axum::routing::get;
use axum::{Extension, Router};
use encke::{ChannelHandle, Hub};
use encke_tests::{Connection, Kind, SecureSite, in_every_browser};
use http::{Method, Version};
use hyper::ext::Protocol;
use serde_json::json;

const STREAM: &str = "/live/news?transport=sse";
const SOCKET: &str = "/live/news?transport=ws";

const PAGE: &str = "<!doctype html>
<title>one connection</title>
<script>
  // WebDriver sees no const in Firefox.
  var heard = [];
  var stream = new EventSource('/live/news?transport=sse');
  stream.onmessage = event => heard.push('stream: ' + event.data);
  var socket = new WebSocket('wss://' + location.host + '/live/news?transport=ws');
  socket.onmessage = event => heard.push('socket: ' + event.data);
</script>";

/// A request as it came to the server.
#[derive(Clone, Debug)]
struct Arrival {
    target: String,
    connection: Connection,
    version: Version,
    method: Method,
    /// The `:protocol` of an extended CONNECT.
    protocol: Option<String>,
}

impl Arrival {
    fn of(request: &Request, connection: Connection) -> Self {
        let target = request.uri().path_and_query().map(ToString::to_string);
        let protocol = request.extensions().get::<Protocol>();
        Self {
            target: target.unwrap_or_default(),
            connection,
            version: request.version(),
            method: request.method().clone(),
            protocol: protocol.map(|protocol| protocol.as_str().to_owned()),
        }
    }

    fn is_get_over(&self, version: Version) -> bool {
        self.method == Method::GET && self.version == version && self.protocol.is_none()
    }

    fn is_extended_connect(&self) -> bool {
        self.method == Method::CONNECT
            && self.version == Version::HTTP_2
            && self.protocol.as_deref() == Some("websocket")
    }
}

/// A site with one channel, and the requests that reached it.
struct News {
    site: SecureSite,
    channel: ChannelHandle,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl News {
    async fn start() -> Self {
        let hub = Hub::default();
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&arrivals);
        let note = move |Extension(connection), request: Request| {
            let arrival = Arrival::of(&request, connection);
            noted.lock().expect("no holder panics").push(arrival);
            ready(request)
        };
        let router = Router::new()
            .route("/", get(async || Html(PAGE)))
            .nest_service("/live", hub.live())
            .layer(map_request(note));
        Self {
            site: SecureSite::start(router).await,
            channel: hub.channel("news").expect("a name"),
            arrivals,
        }
    }

    /// The one request for `target`.
    fn arrival(&self, target: &str) -> Arrival {
        let all = self.arrivals.lock().expect("no holder panics").clone();
        let found: Vec<_> = all.iter().filter(|one| one.target == target).collect();
        match found[..] {
            [arrival] => arrival.clone(),
            _ => panic!("not one request for {target}: {all:#?}"),
        }
    }
}

/// WebKit differs: libsoup, which speaks HTTP for it on Linux, opens WebSockets over HTTP/1.1
/// only, so there the socket has a connection of its own.
#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_page_its_event_stream_and_its_socket_share_one_connection() {
    in_every_browser(async |browser| {
        let news = News::start().await;
        browser.open(&news.site.url("/")).await;
        let open = "stream.readyState === EventSource.OPEN && socket.readyState === WebSocket.OPEN";
        browser.wait_for(open, true).await;
        let published = news.channel.publish("kiki").await;
        published.expect("it is published");
        let heard = json!(["socket: kiki", "stream: kiki"]);
        browser.wait_for("heard.toSorted()", heard).await;

        let [page, stream, socket] = ["/", STREAM, SOCKET].map(|target| news.arrival(target));
        assert!(page.is_get_over(Version::HTTP_2), "{page:?}");
        assert!(stream.is_get_over(Version::HTTP_2), "{stream:?}");
        assert_eq!(stream.connection, page.connection);
        match browser.kind() {
            Kind::Chromium | Kind::Firefox => {
                assert!(socket.is_extended_connect(), "{socket:?}");
                assert_eq!(socket.connection, page.connection);
            }
            Kind::WebKit => {
                assert!(socket.is_get_over(Version::HTTP_11), "{socket:?}");
                assert_ne!(socket.connection, page.connection);
            }
        }
    });
}
