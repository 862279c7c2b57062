//! A site over TLS, whose requests know which connection they came on.

use std::sync::Arc;

use axum::{Extension, Router};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A running application that speaks HTTP/2 with who can, stopped when dropped.
///
/// Each connection has a server of its own behind it, so that what is said there is known by it.
pub struct SecureSite {
    origin: String,
    relay: JoinHandle<()>,
}

/// The connection of a request, among its extensions: they are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection(pub usize);

impl SecureSite {
    /// Serves `router`, with a certificate that nobody has issued.
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound listener has one");
        Self {
            origin: format!("https://{address}"),
            relay: tokio::spawn(relay(listener, router)),
        }
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

impl Drop for SecureSite {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

async fn relay(listener: TcpListener, router: Router) {
    let tls = Arc::new(self_signed());
    let mut open = JoinSet::new();
    for number in 0.. {
        let (browser, _) = listener.accept().await.expect("a listener accepts");
        let router = router.clone().layer(Extension(Connection(number)));
        open.spawn(serve_one(browser, router, Arc::clone(&tls)));
    }
}

async fn serve_one(mut browser: TcpStream, router: Router, tls: Arc<ServerConfig>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound listener has one");
    let passed_on = async {
        let mut server = TcpStream::connect(address).await.expect("it listens");
        // However it ends, both sides are closed.
        let _ = copy_bidirectional(&mut browser, &mut server).await;
    };
    tokio::select! {
        served = encke::serve(listener, router).tls(tls).into_future() => {
            served.expect("a listener accepts");
        }
        () = passed_on => {}
    }
}

fn self_signed() -> ServerConfig {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]);
    let made = made.expect("a certificate can be made");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key.into());
    config.expect("the key is the certificate's")
}
