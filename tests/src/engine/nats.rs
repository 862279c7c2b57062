//! One NATS server.

mod server;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::timeout;

use super::Engine;
use super::certificate::Certificate;
use crate::patience::PATIENCE;
use crate::scratch::{self, Scratch};
pub(super) use server::Seat;
use server::{Access, Server};

/// A running `nats-server` on a free port, killed when dropped.
pub struct Nats {
    engine: Engine<Server>,
}

/// What a [`Nats`] is started with.
#[derive(Default)]
#[must_use]
pub struct NatsBuilder {
    without_jetstream: bool,
    access: Access,
    secure: bool,
    seat: Option<Seat>,
}

impl Nats {
    /// Starts one that everyone may use, with JetStream, which keeps its streams in files.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// For one that is not quite like that.
    pub fn builder() -> NatsBuilder {
        NatsBuilder::default()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.engine.address()
    }

    /// `nats://127.0.0.1:PORT`, with credentials where it wants them, `tls` where it is secure.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL where it is found at another address, as behind a [`Proxy`](crate::Proxy).
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        let server = &self.engine.recipe;
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let credentials = match &server.access {
            Access::Everyone => String::new(),
            Access::User(name, password) => format!("{}:{}@", encoded(name), encoded(password)),
            Access::Token(token) => format!("{}@", encoded(token)),
        };
        let scheme = match server.certificate {
            Some(_) => "tls",
            None => "nats",
        };
        format!("{scheme}://{credentials}{address}")
    }

    /// The certificate that clients of a secure one have to trust, in PEM.
    ///
    /// # Panics
    /// When it is not secure.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        let certificate = self.engine.recipe.certificate.as_ref();
        certificate.expect("this NATS is secure").authority()
    }

    /// Kills it as `kill -9` does; returns once it is gone.
    pub async fn kill(&mut self) {
        self.engine.kill().await;
    }

    /// Starts it again on its port, after killing it if it runs; returns once it answers.
    pub async fn restart(&mut self) {
        self.engine.restart().await;
    }

    /// Restarts it with none of its streams.
    pub async fn restart_without_data(&mut self) {
        self.engine.kill().await;
        let data = self.engine.recipe.data();
        // Without JetStream it has none.
        let _ = fs::remove_dir_all(data);
        self.engine.restart().await;
    }

    /// Keeps a copy of its streams, for [`restart_as_remembered`](Self::restart_as_remembered).
    pub fn remember(&mut self) {
        let server = &self.engine.recipe;
        let (data, copy) = (server.data(), server.copy());
        let _ = fs::remove_dir_all(&copy);
        self.engine.pause();
        scratch::copy(&data, &copy);
        self.engine.resume();
    }

    /// Restarts it with what it had when it was to be remembered, as one whose disk had no more.
    ///
    /// # Panics
    /// When it has nothing to remember.
    pub async fn restart_as_remembered(&mut self) {
        self.engine.kill().await;
        let server = &self.engine.recipe;
        let _ = fs::remove_dir_all(server.data());
        fs::rename(server.copy(), server.data()).expect("there is a copy");
        self.engine.restart().await;
    }

    /// Stops it in the middle of whatever it does; its connections stay open.
    pub fn pause(&mut self) {
        self.engine.pause();
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.engine.resume();
    }

    /// What is answered to `payload` on `subject`, such as `$JS.API.STREAM.NAMES`.
    ///
    /// # Panics
    /// When nobody listens there, or nobody answers for half a minute.
    pub async fn request(&self, subject: &str, payload: &str) -> String {
        let answer = self.try_request(subject, payload, PATIENCE).await;
        answer.unwrap_or_else(|error| panic!("request on {subject}: {error}"))
    }

    pub(super) async fn try_request(
        &self,
        subject: &str,
        payload: &str,
        within: Duration,
    ) -> Result<String, String> {
        let answer = async {
            let client = self.engine.recipe.connect(self.address()).await?;
            client.request(subject, payload).await
        };
        let answer = timeout(within, answer).await;
        answer.unwrap_or_else(|_| Err(format!("no answer in {within:?}")))
    }

    pub(super) fn is_running(&self) -> bool {
        self.engine.is_running()
    }

    /// What it calls itself among others.
    pub(super) fn name(&self) -> String {
        self.engine.recipe.name()
    }

    /// How many requests JetStream's API has had since it started, this one among them.
    pub async fn api_calls(&self) -> u64 {
        let info = self.request("$JS.API.INFO", "").await;
        let info: Value = serde_json::from_str(&info).expect("JSON");
        let total = info["api"]["total"].as_u64();
        total.unwrap_or_else(|| panic!("no number of calls in {info}"))
    }
}

impl NatsBuilder {
    /// It passes messages on and keeps none.
    pub fn without_jetstream(mut self) -> Self {
        self.without_jetstream = true;
        self
    }

    /// There is this user only.
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.access = Access::User(name.to_owned(), password.to_owned());
        self
    }

    /// Everyone needs this token.
    pub fn token(mut self, token: &str) -> Self {
        self.access = Access::Token(token.to_owned());
        self
    }

    /// It is spoken to over TLS.
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// It is one of a cluster.
    pub(super) fn seat(mut self, seat: Seat) -> Self {
        self.seat = Some(seat);
        self
    }

    /// Starts it; returns once it answers.
    pub async fn start(self) -> Nats {
        let folder = Scratch::new();
        let certificate = self.secure.then(|| Certificate::make(folder.path()));
        let recipe = Server {
            jetstream: !self.without_jetstream,
            access: self.access,
            seat: self.seat,
            certificate,
            folder,
        };
        Nats {
            engine: Engine::start(recipe).await,
        }
    }
}
