//! The program `encke`, as its user starts it.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use rustix::process::Signal;
use serde_json::Value;
use tokio::process::Command;

use crate::clock::Clock;
use crate::process::Process;
use crate::scratch::Scratch;

const CERTIFICATE: &str = "cert.pem";

const SERVE: [&str; 3] = ["serve", "--listen", "127.0.0.1:0"];

/// A running `encke serve`, ended when dropped.
pub struct Program {
    origin: String,
    process: Process,
    files: Scratch,
}

impl Program {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        Self::start_as(&[]).await
    }

    /// Starts it on a free port, with these options.
    pub async fn start_as(options: &[&str]) -> Self {
        Self::start_over("memory:", options).await
    }

    /// Starts it on a free port, over this broker, which it finds in its environment.
    pub async fn start_over(broker: &str, options: &[&str]) -> Self {
        let mut command = Self::command(&SERVE);
        command.args(options).env("ENCKE_BROKER", broker);
        Self::start_with(Scratch::new(), command).await
    }

    /// Starts it over TLS, with a certificate that nobody has issued.
    pub async fn start_secure() -> Self {
        let files = Scratch::new();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate can be made");
        let mut command = Self::command(&SERVE);
        for (option, name, pem) in [
            ("--tls-cert", CERTIFICATE, made.cert.pem()),
            ("--tls-key", "key.pem", made.signing_key.serialize_pem()),
        ] {
            let path = files.path().join(name);
            fs::write(&path, pem).expect("a file can be written");
            command.arg(option).arg(path);
        }
        Self::start_with(files, command).await
    }

    /// Has it built, which takes a while, and no other start does again.
    pub fn build() {
        built();
    }

    /// Starts it with these options; or what it said before it ended.
    ///
    /// # Errors
    /// Those words.
    pub async fn try_start_as(options: &[&str]) -> Result<Self, String> {
        let mut command = Self::command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(options);
        Self::try_start_with(Scratch::new(), command).await
    }

    /// Starts it on a free port, by this clock.
    pub async fn start_by(clock: &Clock, options: &[&str]) -> Self {
        let mut command = Self::command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(options);
        clock.rule(&mut command);
        Self::start_with(Scratch::new(), command).await
    }

    async fn start_with(files: Scratch, command: Command) -> Self {
        let started = Self::try_start_with(files, command).await;
        started.unwrap_or_else(|words| panic!("encke does not start: {words}"))
    }

    async fn try_start_with(files: Scratch, command: Command) -> Result<Self, String> {
        let mut process = Process::start(command);
        let origin = process.find("listens on ").await;
        Ok(Self {
            origin: origin.map_err(|lines| lines.join("\n"))?,
            process,
            files,
        })
    }

    /// The program with these arguments, and nothing in its environment that it would heed.
    #[must_use]
    pub fn command(args: &[&str]) -> Command {
        let mut command = Command::new(built());
        command.args(args).env_remove("RUST_LOG");
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("ENCKE_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Kills it as `kill -9` does; returns once it is gone.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Where it listens.
    ///
    /// # Panics
    /// When it said something else than an address and a port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let (_, address) = self.origin.split_once("://").unwrap_or_default();
        address.parse().expect("an address and a port")
    }

    /// Asks it to end, which it does once its sessions have.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Stops it in the middle of whatever it does; its connections stay open.
    pub fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Not to one that has ended, whose number may be another's.
    fn signal(&mut self, signal: Signal) {
        if !self.has_ended() {
            self.process.signal(signal);
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// What it has printed since it started, or since this was last asked.
    pub fn printed(&mut self) -> Vec<String> {
        self.process.printed()
    }

    /// The most memory it ever had, in bytes; `None` where the system does not tell.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        self.process.peak_memory()
    }

    /// `http://127.0.0.1:PORT`, or `https` where it is secure.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The certificate of one that is secure, in PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.files.path().join(CERTIFICATE)
    }

    /// The URL of `path`, which begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// The program's path, after cargo had a look whether it is up to date.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        let mut command = std::process::Command::new(cargo);
        // What cargo tells this test of its package would have it build again whoever asks for that.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&*name);
            }
        }
        let output = command
            .args([
                "build",
                "--package",
                "encke-server",
                "--message-format=json",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "encke-server does not build");
        let output = String::from_utf8(output.stdout).expect("cargo prints text");
        let executable = output.lines().find_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            Some(PathBuf::from(message["executable"].as_str()?))
        });
        executable.expect("cargo says where the program is")
    })
}
