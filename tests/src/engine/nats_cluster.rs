//! Three NATS servers that are one JetStream.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;

use super::Nats;
use super::free_port::free_port;
use super::nats::Seat;
use crate::engine;
use crate::patience::Patience;

const SERVERS: usize = 3;

/// From here on, replicas see to it themselves that a message follows the one it names.
const ORDERED: [u32; 3] = [2, 9, 21];

/// How long an answer may take before it is asked for again: of those who know no leader, none comes.
const LOOK: Duration = Duration::from_secs(1);

/// What is made to see whether streams can be.
const TRIAL: &str = "TRIAL_OF_THE_TESTS";

/// A running cluster on free ports, which keeps its streams in files; killed when dropped.
///
/// Its servers are counted from 0.
pub struct NatsCluster {
    servers: Vec<Nats>,
}

impl NatsCluster {
    /// How many replicas a stream of encke may have: all, unless the installed server is too old.
    ///
    /// # Panics
    /// When none is installed.
    #[must_use]
    pub fn replicas() -> Option<u8> {
        let mut command = engine::server("nats-server").into_std();
        let output = command.arg("--version").output();
        let output = output.expect("nats-server runs (`cargo xtask setup` installs it)");
        let output = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = output
            .trim()
            .rsplit_once('v')
            .map_or("", |(_, version)| version);
        let numbers = version.split(['.', '-']).map(|number| number.parse().ok());
        let version: Vec<u32> = numbers.map_while(|number| number).collect();
        (version[..] >= ORDERED[..]).then_some(SERVERS as u8)
    }

    /// Starts it; returns once streams can be had with a replica on every server.
    pub async fn start() -> Self {
        let routes: Vec<u16> = (0..SERVERS).map(|_| free_port()).collect();
        let servers = routes.iter().map(|port| {
            let seat = Seat {
                // Its own, so that nobody else's server is let in.
                cluster: format!("encke-tests-{}", routes[0]),
                port: *port,
                routes: routes.clone(),
            };
            Nats::builder().seat(seat).start()
        });
        let servers = join_all(servers).await;
        let cluster = Self { servers };
        cluster.wait_until_ready().await;
        cluster
    }

    /// `nats://A,B,C` with the address of every server.
    #[must_use]
    pub fn url(&self) -> String {
        let servers = self.servers.iter();
        let addresses: Vec<String> = servers.map(|nats| nats.address().to_string()).collect();
        format!("nats://{}", addresses.join(","))
    }

    /// All servers, running or not.
    #[must_use]
    pub fn servers(&self) -> &[Nats] {
        &self.servers
    }

    /// One server, to be killed, paused or restarted.
    pub fn server_mut(&mut self, server: usize) -> &mut Nats {
        &mut self.servers[server]
    }

    /// Waits until JetStream has a leader and answers; where all servers run, until a stream can
    /// have a replica on each.
    pub async fn wait_until_ready(&self) {
        let patience = Patience::until("the cluster is ready");
        while let Err(reason) = self.check().await {
            patience.wait(reason).await;
        }
    }

    /// The server that leads a stream, once there is one that runs.
    pub async fn leader_of_stream(&self, stream: &str) -> usize {
        let patience = Patience::until(format!("stream {stream} has a leader"));
        loop {
            match self.try_leader(stream).await {
                Ok(leader) => return leader,
                Err(reason) => patience.wait(reason).await,
            }
        }
    }

    /// Waits until each running server has all of a stream.
    pub async fn wait_until_replicated(&self, stream: &str) {
        let patience = Patience::until(format!("stream {stream} is the same everywhere"));
        while let Err(reason) = self.check_replicas(stream).await {
            patience.wait(reason).await;
        }
    }

    /// Kills the server that leads a stream, and says which it was.
    pub async fn kill_leader(&mut self, stream: &str) -> usize {
        let leader = self.leader_of_stream(stream).await;
        self.servers[leader].kill().await;
        leader
    }

    /// What JetStream answers, to who asks a server that runs.
    async fn ask(&self, subject: &str, payload: &str) -> Result<Value, String> {
        let mut servers = self.servers.iter();
        let server = servers.find(|server| server.is_running());
        ask(server.expect("a server runs"), subject, payload).await
    }

    async fn check(&self) -> Result<(), String> {
        for server in self.servers.iter().filter(|server| server.is_running()) {
            ask(server, "INFO", "").await?;
        }
        if self.servers.iter().all(Nats::is_running) {
            let config = format!(r#"{{"name": "{TRIAL}", "num_replicas": {SERVERS}}}"#);
            let made = self.ask(&format!("STREAM.CREATE.{TRIAL}"), &config).await;
            // If it was made, but not answered, it goes too.
            let gone = self.ask(&format!("STREAM.DELETE.{TRIAL}"), "").await;
            made.and(gone)?;
        }
        Ok(())
    }

    async fn try_leader(&self, stream: &str) -> Result<usize, String> {
        let info = self.ask(&format!("STREAM.INFO.{stream}"), "").await?;
        let leader = info["cluster"]["leader"].as_str().unwrap_or_default();
        let mut servers = self.servers.iter();
        servers
            .position(|server| server.is_running() && server.name() == leader)
            .ok_or_else(|| format!("{leader:?} leads it"))
    }

    async fn check_replicas(&self, stream: &str) -> Result<(), String> {
        let info = self.ask(&format!("STREAM.INFO.{stream}"), "").await?;
        let replicas = info["cluster"]["replicas"].as_array();
        let replicas = replicas.ok_or("it has no replicas")?;
        for server in self.servers.iter().filter(|server| server.is_running()) {
            let name = server.name();
            let mut replicas = replicas.iter();
            let replica = replicas.find(|replica| replica["name"] == *name);
            let leads = || info["cluster"]["leader"] == *name;
            if !replica.map_or_else(leads, |replica| replica["current"] == true) {
                return Err(info["cluster"].to_string());
            }
        }
        Ok(())
    }
}

async fn ask(server: &Nats, subject: &str, payload: &str) -> Result<Value, String> {
    let subject = format!("$JS.API.{subject}");
    let answer = server.try_request(&subject, payload, LOOK).await?;
    let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    match &answer["error"] {
        Value::Null => Ok(answer),
        error => Err(format!("{subject}: {error}")),
    }
}
