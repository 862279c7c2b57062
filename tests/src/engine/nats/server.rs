//! How a NATS server is started, and seen to be ready.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;

use crate::engine::certificate::Certificate;
use crate::engine::nats_client::NatsClient;
use crate::engine::{self, Recipe};
use crate::patience::PATIENCE;
use crate::scratch::Scratch;

/// Who may use it.
#[derive(Default)]
pub(super) enum Access {
    #[default]
    Everyone,
    User(String, String),
    Token(String),
}

/// Its place in a cluster.
pub(in crate::engine) struct Seat {
    pub(in crate::engine) cluster: String,
    /// Where it listens for the others.
    pub(in crate::engine) port: u16,
    /// Where all of them do.
    pub(in crate::engine) routes: Vec<u16>,
}

pub(super) struct Server {
    pub(super) jetstream: bool,
    pub(super) access: Access,
    pub(super) seat: Option<Seat>,
    pub(super) certificate: Option<Certificate>,
    pub(super) folder: Scratch,
}

impl Server {
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Where a copy of its data is kept.
    pub(super) fn copy(&self) -> PathBuf {
        self.folder.path().join("copy")
    }

    /// Nobody else's.
    pub(super) fn name(&self) -> String {
        let name = self.folder.path().file_name().expect("a folder has a name");
        name.to_string_lossy().into_owned()
    }

    pub(super) async fn connect(&self, address: SocketAddr) -> Result<NatsClient, String> {
        let login = match &self.access {
            Access::Everyone => json!({}),
            Access::User(name, password) => json!({"user": name, "pass": password}),
            Access::Token(token) => json!({"auth_token": token}),
        };
        NatsClient::connect(address, self.certificate.as_ref(), &login).await
    }

    async fn try_answer(&self, port: u16) -> Result<bool, String> {
        let client = self.connect((Ipv4Addr::LOCALHOST, port).into()).await?;
        if client.server_name() != self.name() {
            return Ok(false);
        }
        // In a cluster, the others may be needed for that.
        if self.jetstream && self.seat.is_none() {
            let info = client.request("$JS.API.INFO", "").await?;
            return Ok(!info.contains("\"error\""));
        }
        Ok(true)
    }
}

impl Recipe for Server {
    fn command(&self, port: u16) -> Command {
        let mut command = engine::server("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--name", &self.name()]);
        if self.jetstream {
            command
                .arg("--jetstream")
                .arg("--store_dir")
                .arg(self.data());
        }
        if let Some(seat) = &self.seat {
            let route = |port| format!("nats://127.0.0.1:{port}");
            let routes: Vec<String> = seat.routes.iter().map(route).collect();
            command.args(["--cluster", &route(&seat.port)]);
            command.args(["--cluster_name", &seat.cluster]);
            command.args(["--routes", &routes.join(",")]);
        }
        match &self.access {
            Access::Everyone => {}
            Access::User(name, password) => {
                command.args(["--user", name, "--pass", password]);
            }
            Access::Token(token) => {
                command.args(["--auth", token]);
            }
        }
        if let Some(certificate) = &self.certificate {
            command.arg("--tls");
            command.arg("--tlscert").arg(certificate.chain());
            command.arg("--tlskey").arg(certificate.key());
        }
        command
    }

    async fn answers(&self, port: u16) -> bool {
        let answer = timeout(PATIENCE, self.try_answer(port)).await;
        matches!(answer, Ok(Ok(true)))
    }
}
