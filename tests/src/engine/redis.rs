//! One Redis server.

mod server;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Engine;
use super::resp::{self, Reply};
use crate::clock::Clock;
use server::Server;

/// A running `redis-server` on a free port, killed when dropped.
///
/// What is asked through its methods goes by a way of its own, which no proxy, password or
/// certificate stands in.
pub struct Redis {
    access: Access,
    engine: Engine<Server>,
}

/// What a [`Redis`] is started with.
#[derive(Default)]
#[must_use]
pub struct RedisBuilder {
    settings: Vec<String>,
    keeps_data: bool,
    access: Access,
    secure: bool,
    has_own_clock: bool,
}

/// Who may use it.
#[derive(Clone, Default)]
enum Access {
    #[default]
    Everyone,
    Password(String),
    User(String, String, String),
}

impl Redis {
    /// Starts one that everyone may use and that forgets everything when it ends.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// For one that is not quite like that.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.engine.address()
    }

    /// `redis://127.0.0.1:PORT`, with credentials where it wants them, `rediss` where it is secure.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.address())
    }

    /// The URL where it is found at another address, as behind a [`Proxy`](crate::Proxy).
    #[must_use]
    pub fn url_at(&self, address: SocketAddr) -> String {
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let credentials = match &self.access {
            Access::Everyone => String::new(),
            Access::Password(password) => format!(":{}@", encoded(password)),
            Access::User(name, password, _) => format!("{}:{}@", encoded(name), encoded(password)),
        };
        let scheme = match self.engine.recipe.certificate {
            Some(_) => "rediss",
            None => "redis",
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
        certificate.expect("this Redis is secure").authority()
    }

    /// Kills it as `kill -9` does; returns once it is gone.
    pub async fn kill(&mut self) {
        self.engine.kill().await;
    }

    /// Starts it again on its port, after killing it if it runs; returns once it answers.
    pub async fn restart(&mut self) {
        self.engine.restart().await;
    }

    /// Restarts it with nothing of what it has stored. A node of a cluster stays that node.
    pub async fn restart_without_data(&mut self) {
        self.engine.kill().await;
        self.engine.recipe.forget();
        self.engine.restart().await;
    }

    /// Keeps a copy of what it has stored, for [`restart_as_remembered`](Self::restart_as_remembered).
    ///
    /// # Panics
    /// When it was started without data.
    pub fn remember(&mut self) {
        self.engine.recipe.remember();
    }

    /// Restarts it with what it had when it was to be remembered, as one whose disk had no more.
    ///
    /// # Panics
    /// When it has nothing to remember.
    pub async fn restart_as_remembered(&mut self) {
        self.engine.kill().await;
        self.engine.recipe.recall();
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

    /// Puts its clock so many seconds before ours; behind, where that is less than none.
    ///
    /// # Panics
    /// When it has none of its own.
    pub fn set_clock(&self, seconds: i64) {
        let clock = self.engine.recipe.clock.as_ref();
        clock.expect("a Redis with a clock of its own").set(seconds);
    }

    /// What it answers, an item of a list to a line, `(nil)` for nothing.
    ///
    /// # Panics
    /// When it answers an error, or nothing for half a minute.
    pub async fn command(&self, command: &[&str]) -> String {
        let answer = self.try_command(command).await;
        answer.unwrap_or_else(|error| panic!("{}: {error}", command.join(" ")))
    }

    /// As [`command`](Self::command), or the error it answers.
    pub async fn try_command(&self, command: &[&str]) -> Result<String, String> {
        let command: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
        Ok(self.ask(&command).await?.to_string())
    }

    pub(super) async fn ask(&self, command: &[&[u8]]) -> Result<Reply, String> {
        resp::ask(&self.engine.recipe.socket(), command).await
    }

    /// How often a command was called since it started, within scripts or not.
    ///
    /// Its name is in lower case, a subcommand's behind a bar: `cluster|info`.
    pub async fn calls(&self, command: &str) -> u64 {
        let calls = self.all_calls().await;
        calls.get(command).copied().unwrap_or_default()
    }

    /// How often each command was called since it started, also by the methods here.
    pub async fn all_calls(&self) -> BTreeMap<String, u64> {
        let stats = self.command(&["INFO", "commandstats"]).await;
        let calls = stats.lines().filter_map(|line| {
            let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            let (calls, _) = rest.split_once(',')?;
            Some((command.to_owned(), calls.parse().ok()?))
        });
        calls.collect()
    }

    /// Counts calls from zero again.
    pub async fn forget_calls(&self) {
        self.command(&["CONFIG", "RESETSTAT"]).await;
    }

    pub(super) fn is_running(&self) -> bool {
        self.engine.is_running()
    }

    /// A sentinel, which is a Redis server with another name.
    pub(super) async fn start_sentinel(settings: Vec<String>) -> Self {
        let recipe = Server::new("redis-sentinel", &settings, false);
        Self {
            access: Access::Everyone,
            engine: Engine::start(recipe).await,
        }
    }
}

impl RedisBuilder {
    /// What it has answered for survives it, whatever happens to it.
    pub fn with_data(mut self) -> Self {
        self.keeps_data = true;
        self
    }

    /// Everyone needs this password.
    pub fn password(mut self, password: &str) -> Self {
        self.access = Access::Password(password.to_owned());
        self
    }

    /// There is this user only, who may do what `rules` say, such as `~news:* &news:* +xadd`.
    pub fn user(mut self, name: &str, password: &str, rules: &str) -> Self {
        self.access = Access::User(name.to_owned(), password.to_owned(), rules.to_owned());
        self
    }

    /// It is spoken to over TLS.
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// It has a clock of its own, which [`Redis::set_clock`] puts forward and back.
    pub fn with_clock(mut self) -> Self {
        self.has_own_clock = true;
        self
    }

    /// A line of its configuration.
    pub(super) fn setting(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// Starts it; returns once it answers.
    pub async fn start(mut self) -> Redis {
        self.settings.push("save \"\"".to_owned());
        if self.keeps_data {
            self.settings.push("appendonly yes".to_owned());
            self.settings.push("appendfsync always".to_owned());
        }
        match &self.access {
            Access::Everyone => {}
            Access::Password(password) => self.settings.push(format!("requirepass {password:?}")),
            Access::User(name, password, rules) => {
                self.settings.push("user default off".to_owned());
                let password = format!(">{password}");
                let line = format!("user {name} on {password:?} {rules}");
                self.settings.push(line);
            }
        }
        let mut server = Server::new("redis-server", &self.settings, self.secure);
        server.clock = self.has_own_clock.then(Clock::new);
        Redis {
            access: self.access,
            engine: Engine::start(server).await,
        }
    }
}
