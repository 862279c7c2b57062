//! As much of NATS' protocol as asking takes: a connection, a request, its answer.

use std::fmt::Display;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate::Certificate;

const INBOX: &str = "_INBOX.encke-tests";

/// A connection on which one thing is asked.
pub(crate) struct NatsClient {
    stream: BufReader<Box<dyn Stream>>,
    server_name: String,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl NatsClient {
    /// Connects to `address`, where `login` has the fields that CONNECT wants.
    pub(crate) async fn connect(
        address: SocketAddr,
        certificate: Option<&Certificate>,
        login: &Value,
    ) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(text)?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.map_err(text)?;
        let info = line.strip_prefix("INFO ").ok_or("no INFO")?;
        let info: Value = serde_json::from_str(info).map_err(text)?;

        // The server is silent until the other side has spoken.
        let stream = stream.into_inner();
        let stream: Box<dyn Stream> = match certificate {
            None => Box::new(stream),
            Some(certificate) => {
                let name = ServerName::from(address.ip());
                let connected = connector(certificate).connect(name, stream).await;
                Box::new(connected.map_err(text)?)
            }
        };
        let mut client = Self {
            stream: BufReader::new(stream),
            server_name: info["server_name"].as_str().unwrap_or_default().to_owned(),
        };
        let mut options = json!({"verbose": false, "headers": true, "no_responders": true});
        for (name, value) in login.as_object().into_iter().flatten() {
            options[name] = value.clone();
        }
        client
            .send(&format!("CONNECT {options}\r\nPING\r\n"))
            .await?;
        client.line("PONG").await?;
        Ok(client)
    }

    pub(crate) fn server_name(&self) -> &str {
        &self.server_name
    }

    /// What is answered to `payload` on `subject`, without its headers.
    pub(crate) async fn request(mut self, subject: &str, payload: &str) -> Result<String, String> {
        let length = payload.len();
        self.send(&format!(
            "SUB {INBOX} 1\r\nPUB {subject} {INBOX} {length}\r\n{payload}\r\n"
        ))
        .await?;
        let head = self.line(&format!("MSG {INBOX} 1 ")).await?;
        let mut lengths = head.split_whitespace().rev().map(str::parse::<usize>);
        let total = lengths.next().ok_or("no length")?.map_err(text)?;
        let headers = match head.starts_with('H') {
            true => lengths.next().ok_or("no length")?.map_err(text)?,
            false => 0,
        };
        let mut bytes = vec![0; total];
        self.stream.read_exact(&mut bytes).await.map_err(text)?;
        let answer = bytes.split_off(headers.min(total));
        if bytes.starts_with(b"NATS/1.0 503") {
            return Err(format!("nobody answers on {subject}"));
        }
        String::from_utf8(answer).map_err(text)
    }

    async fn send(&mut self, text_of_it: &str) -> Result<(), String> {
        let sent = self.stream.write_all(text_of_it.as_bytes()).await;
        sent.map_err(text)?;
        self.stream.flush().await.map_err(text)
    }

    /// The next line with `marker` in it.
    async fn line(&mut self, marker: &str) -> Result<String, String> {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await.map_err(text)?;
            if line.is_empty() {
                return Err("the connection was closed".to_owned());
            }
            if line.starts_with("-ERR") {
                return Err(line.trim_end().to_owned());
            }
            if line.contains(marker) {
                return Ok(line);
            }
        }
    }
}

fn connector(certificate: &Certificate) -> TlsConnector {
    let pem = fs::read(certificate.authority()).expect("it was written");
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(&pem).expect("a certificate");
    roots.add(authority).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots);
    Arc::new(config.with_no_client_auth()).into()
}

fn text(error: impl Display) -> String {
    error.to_string()
}
