//! A site under test: an axum application on a port of its own.

use std::net::SocketAddr;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use encke::Shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running application, stopped when dropped.
pub struct Site {
    address: SocketAddr,
    origin: String,
    shutdown: Shutdown,
    server: JoinHandle<()>,
}

impl Site {
    /// Serves `router`.
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has one");
        let shutdown = Shutdown::new();
        Self {
            address,
            origin: format!("http://{address}"),
            server: serve(listener, router, shutdown.clone()),
            shutdown,
        }
    }

    /// Serves one page at `/`.
    pub async fn of_page(html: &'static str) -> Self {
        Self::start(Router::new().route("/", get(move || async move { Html(html) }))).await
    }

    /// Ends it once it has taken leave of everyone who is connected.
    pub async fn shut_down(&mut self) {
        self.shutdown.begin();
        let ended = (&mut self.server).await;
        ended.expect("the site was running");
    }

    /// Ends it in the middle of everything, as when the process is killed.
    pub async fn kill(&mut self) {
        self.server.abort();
        let ended = (&mut self.server).await;
        assert!(ended.is_err(), "the site had ended before");
    }

    /// Serves `router` where the application was that has ended.
    pub async fn start_again(&mut self, router: Router) {
        let listener = TcpListener::bind(self.address).await;
        let listener = listener.expect("the port is free again");
        self.shutdown = Shutdown::new();
        self.server = serve(listener, router, self.shutdown.clone());
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn serve(listener: TcpListener, router: Router, shutdown: Shutdown) -> JoinHandle<()> {
    tokio::spawn(async move {
        let served = encke::serve(listener, router).with_shutdown(shutdown).await;
        served.expect("a listener accepts");
    })
}
