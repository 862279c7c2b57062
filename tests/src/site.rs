//! A site under test: an axum application on a port of its own.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running application, stopped when dropped.
pub struct Site {
    origin: String,
    server: JoinHandle<()>,
}

impl Site {
    /// Serves `router`.
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has one");
        let server = tokio::spawn(async move {
            encke::serve(listener, router)
                .await
                .expect("a listener accepts");
        });
        Self {
            origin: format!("http://{address}"),
            server,
        }
    }

    /// Serves one page at `/`.
    pub async fn of_page(html: &'static str) -> Self {
        Self::start(Router::new().route("/", get(move || async move { Html(html) }))).await
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
