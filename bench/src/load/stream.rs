//! A client's connection: TCP, or TLS over it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

use crate::{BoxError, cli::SubscribeOpts};

/// More than one read from a socket makes of TLS.
const RECORDS: usize = 64 << 10;

pub(super) enum Stream {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

pub(super) struct Secure {
    socket: TcpStream,
    session: ClientConnection,
}

/// Whom TLS trusts, and what it is to carry.
pub(super) struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts this certificate and no other.
    pub(super) fn new(certificate: &Path, protocol: &str) -> Result<Self, BoxError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate)?)?;
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        Ok(Self(config.into()))
    }
}

impl SubscribeOpts {
    /// The TLS of subscribers, if any.
    pub(super) fn tls(&self) -> Result<Option<Tls>, BoxError> {
        let protocol = if self.http2.is_some() {
            "h2"
        } else {
            "http/1.1"
        };
        if self.url.starts_with("https:") && self.ca.is_none() {
            return Err("an https:// server needs --ca".into());
        }
        let tls = self.ca.as_deref().map(|ca| Tls::new(ca, protocol));
        tls.transpose()
    }
}

impl Stream {
    /// Connects, and shakes hands where there is TLS.
    pub(super) fn connect(address: SocketAddr, tls: Option<&Tls>) -> Result<Self, BoxError> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let Some(tls) = tls else {
            return Ok(Self::Plain(socket));
        };
        let name = ServerName::from(address.ip());
        let mut session = ClientConnection::new(tls.0.clone(), name)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Self::Secure(Box::new(Secure { socket, session })))
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secure(secure) => &secure.socket,
        }
    }

    pub(super) fn set_nonblocking(&self) -> io::Result<()> {
        self.socket().set_nonblocking(true)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Secure(secure) => secure.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Secure(secure) => {
                let written = secure.session.writer().write(bytes)?;
                secure.flush()?;
                Ok(written)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Secure(secure) => secure.flush(),
        }
    }
}

impl Secure {
    /// Takes what the session has; reads until it has something, or nothing is left.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut length = 0;
        loop {
            match self.session.reader().read(&mut into[length..]) {
                Ok(0) => return Ok(length),
                Ok(more) => length += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            // What the session has and does not give would make no socket readable.
            if length > 0 && into.len() - length < RECORDS {
                return Ok(length);
            }
            match self.session.read_tls(&mut self.socket) {
                Ok(0) => return Ok(length),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && length > 0 => {
                    return Ok(length);
                }
                Err(error) => return Err(error),
            }
            let processed = self.session.process_new_packets();
            processed.map_err(io::Error::other)?;
        }
    }

    /// Writes what the socket takes; the rest goes with the next write.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                written => written?,
            };
        }
        Ok(())
    }
}
