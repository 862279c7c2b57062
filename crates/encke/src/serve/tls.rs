//! TLS, and which HTTP is spoken over it.

use super::{Serve, io::GuardedIo};
use std::{
    io::{Error, ErrorKind, Result},
    sync::Arc,
    time::Duration,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

impl<S> Serve<S> {
    /// Speaks TLS, and HTTP/2 with every client that can. Feature `tls`.
    ///
    /// The configuration is rustls' own, the one type of another crate here besides those of HTTP:
    /// certificates, client authentication and cryptography are its business. Where it names no
    /// protocols to choose from (ALPN), `h2` and `http/1.1` are offered.
    ///
    /// Over HTTP/2 a browser has any number of event streams on one connection. A client has up to
    /// 256 at a time; each holds at most 64 KiB of what the client sent and about 48 KiB of what it
    /// has not taken. One that takes nothing for the [stall limit](Self::stall_limit) is reset
    /// while the others go on. A connection without streams is closed after the
    /// [head limit](Self::head_limit), which is also how long a handshake may take; one that does
    /// not answer pings (every 25 seconds) after the stall limit.
    ///
    /// ```no_run
    /// use rustls::{ServerConfig, pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject}};
    ///
    /// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let chain = CertificateDer::pem_file_iter("cert.pem")?.collect::<Result<_, _>>()?;
    /// let key = PrivateKeyDer::from_pem_file("key.pem")?;
    /// let config = ServerConfig::builder()
    ///     .with_no_client_auth()
    ///     .with_single_cert(chain, key)?;
    /// let listener = encke::listen("127.0.0.1:9443").await?;
    /// encke::serve(listener, encke::Hub::default().live()).tls(config).await?;
    /// # Ok(()) }
    /// ```
    pub fn tls(mut self, config: impl Into<Arc<ServerConfig>>) -> Self {
        let mut config = config.into();
        if config.alpn_protocols.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = vec![HTTP2.into(), HTTP1.into()];
        }
        self.connections.tls = Some(Tls(config.into()));
        self
    }
}

#[derive(Clone)]
pub(super) struct Tls(TlsAcceptor);

/// A connection after its handshake.
pub(super) enum Secured {
    Http1(TlsStream<GuardedIo>),
    Http2(TlsStream<GuardedIo>),
}

impl Tls {
    pub(super) async fn accept(&self, io: GuardedIo, limit: Duration) -> Result<Secured> {
        let stream = tokio::time::timeout(limit, self.0.accept(io))
            .await
            .map_err(|_| {
                let message = format!("no TLS handshake within {limit:?}");
                Error::new(ErrorKind::TimedOut, message)
            })??;
        let (_, session) = stream.get_ref();
        Ok(match session.alpn_protocol() {
            Some(HTTP2) => Secured::Http2(stream),
            _ => Secured::Http1(stream),
        })
    }
}
