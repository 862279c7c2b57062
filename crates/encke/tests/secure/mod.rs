//! A server with a certificate made for the test, and clients that trust it.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{Request, Response};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpStream, sync::Notify, task::JoinHandle, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server and those who trust it know.
pub struct Identity {
    pub server: ServerConfig,
    certificate: CertificateDer<'static>,
}

impl Identity {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        Self {
            server,
            certificate,
        }
    }

    /// Connects as a client that speaks these protocols.
    pub async fn connect(&self, address: SocketAddr, alpn: &[&str]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let tcp = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, tcp).await.unwrap()
    }

    /// A connection of HTTP/2 whose streams have windows of 64 KiB.
    pub async fn http2(&self, address: SocketAddr) -> Http2 {
        self.http2_with_window(address, (64 << 10) - 1).await
    }

    /// As [`http2`](Self::http2), with so much room for each stream, and for all of them more than
    /// is ever sent.
    pub async fn http2_with_window(&self, address: SocketAddr, window: u32) -> Http2 {
        let tls = self.connect(address, &["h2", "http/1.1"]).await;
        assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (sender, connection) = h2::client::Builder::new()
            .initial_connection_window_size(1 << 30)
            .initial_window_size(window)
            .handshake::<_, Bytes>(tls)
            .await
            .unwrap();
        let frozen = Arc::new(Notify::new());
        let freeze = frozen.clone();
        let connection = tokio::spawn(async move {
            tokio::pin!(connection);
            tokio::select! {
                ended = &mut connection => ended,
                () = freeze.notified() => std::future::pending().await,
            }
        });
        Http2 {
            sender: sender.ready().await.unwrap(),
            connection,
            frozen,
        }
    }
}

pub struct Http2 {
    pub sender: SendRequest<Bytes>,
    /// Ends with the connection.
    connection: JoinHandle<Result<(), h2::Error>>,
    frozen: Arc<Notify>,
}

impl Http2 {
    pub async fn ask(&mut self, method: &str, path: &str) -> Response<RecvStream> {
        let request = Request::builder()
            .method(method)
            .uri(format!("https://localhost{path}"))
            .body(())
            .unwrap();
        self.send(request).await
    }

    pub async fn send(&mut self, request: Request<()>) -> Response<RecvStream> {
        let sender = self.sender.clone();
        let mut sender = timeout(PATIENCE, sender.ready()).await.unwrap().unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        timeout(PATIENCE, response).await.unwrap().unwrap()
    }

    /// Opens a stream and reads nothing of it.
    pub async fn listen(&mut self, path: &str) -> Stream {
        let response = self.ask("GET", path).await;
        assert_eq!(response.status(), 200);
        Stream {
            body: response.into_body(),
            seen: Vec::new(),
        }
    }

    /// Keeps the socket open, and reads and writes no more.
    pub fn freeze(&self) {
        self.frozen.notify_one();
    }

    /// Waits for the server to close.
    pub async fn end(self) -> Result<(), h2::Error> {
        drop(self.sender);
        timeout(PATIENCE, self.connection).await.unwrap().unwrap()
    }
}

pub struct Stream {
    body: RecvStream,
    seen: Vec<u8>,
}

impl Stream {
    /// Reads until the text has arrived, and forgets everything up to its end.
    pub async fn until(&mut self, text: &str) {
        loop {
            let found = self
                .seen
                .windows(text.len())
                .position(|seen| seen == text.as_bytes());
            if let Some(found) = found {
                self.seen.drain(..found + text.len());
                return;
            }
            let data = self.data().await.expect("a whole stream");
            self.seen.extend(data.expect("more of the stream"));
        }
    }

    /// Reads to the end of the stream, which must not be a reset.
    pub async fn rest(&mut self) -> Vec<u8> {
        while let Some(data) = self.data().await.expect("an end, no reset") {
            self.seen.extend(data);
        }
        std::mem::take(&mut self.seen)
    }

    /// The next bytes; gives the client's window back, as one that reads does.
    pub async fn data(&mut self) -> Result<Option<Bytes>, h2::Error> {
        let data = timeout(PATIENCE, self.body.data()).await;
        let Some(data) = data.expect("something more").transpose()? else {
            return Ok(None);
        };
        // Of a stream that has ended, nobody wants it.
        let _ = self.body.flow_control().release_capacity(data.len());
        Ok(Some(data))
    }

    /// Reads what has come without giving any window back, and says how the stream ended.
    pub async fn end_unread(&mut self) -> Option<h2::Error> {
        while let Some(data) = timeout(PATIENCE, self.body.data()).await.unwrap() {
            if let Err(error) = data {
                return Some(error);
            }
        }
        None
    }
}
