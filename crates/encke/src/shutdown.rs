//! The end of serving, told to everything that is still open.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::watch;

/// A handle to end serving gracefully: one side begins, any number of others hear of it.
///
/// Given to [`Serve::with_shutdown`](crate::Serve::with_shutdown), it stops the server, which
/// then lets open responses end:
///
/// - [`Comet`](crate::Comet) and [`EventSource`](crate::EventSource), and the sessions of
///   [`Hub::live`](crate::Hub::live), end by themselves, with their last chunk, after what is ready
///   to be sent;
/// - [`Chunked`](crate::Chunked) goes on to its end, because its reader may take a part for the
///   whole, unless it is told [`until`](crate::Chunked::until) when;
/// - whatever has not ended within the [drain limit](crate::Serve::drain_limit) is cut.
///
/// Cheap to clone; the clones are one handle. Several servers may share it.
///
/// ```
/// use axum::{Router, routing::get};
/// use encke::{Chunked, Shutdown};
/// use futures_util::stream;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// let shutdown = Shutdown::new();
/// let ends = shutdown.clone();
/// let app = Router::new().route("/log", get(async move || {
///     Chunked::text(stream::pending::<&str>()).until(ends.begun())
/// }));
/// let listener = encke::listen("127.0.0.1:0").await?;
/// let server = encke::serve(listener, app).with_shutdown(shutdown.clone());
/// shutdown.begin();
/// server.await
/// # }
/// ```
#[derive(Clone)]
pub struct Shutdown(Arc<State>);

struct State {
    /// Looked at whenever a socket's task runs.
    begun: AtomicBool,
    tell: watch::Sender<bool>,
}

impl Shutdown {
    /// One that has not begun.
    pub fn new() -> Self {
        Self(Arc::new(State {
            begun: AtomicBool::new(false),
            tell: watch::Sender::new(false),
        }))
    }

    /// Begins it. Once is enough, and there is no way back.
    pub fn begin(&self) {
        self.0.begun.store(true, Ordering::Release);
        self.0.tell.send_replace(true);
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Resolves when it has begun; at once where it had before.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + 'static {
        // The task that waits keeps the handle, so there always is one that may begin.
        let handle = self.clone();
        async move {
            let mut begun = handle.0.tell.subscribe();
            let _ = begun.wait_for(|begun| *begun).await;
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown")
            .field("begun", &self.has_begun())
            .finish()
    }
}

tokio::task_local! {
    /// The shutdown of the server in whose task a body is polled.
    static SERVER: Shutdown;
}

/// Runs what polls bodies, so that these hear of the server's shutdown.
pub(crate) async fn tell<F: Future>(shutdown: Shutdown, serving: F) -> F::Output {
    SERVER.scope(shutdown, serving).await
}

/// Where a body is polled by our own server: when this is to end.
pub(crate) fn of_the_server() -> Option<Shutdown> {
    SERVER.try_with(Clone::clone).ok()
}
