//! How a Redis server is configured, started, and seen to be ready.

use std::fs;
use std::path::PathBuf;

use tokio::process::Command;

use crate::clock::Clock;
use crate::engine::certificate::Certificate;
use crate::engine::resp::{self, Reply, USER};
use crate::engine::{self, Recipe};
use crate::scratch::Scratch;

/// Where it keeps its data, and where the tests keep a copy.
const DATA: &str = "appendonlydir";
const COPY: &str = "copy";

pub(super) struct Server {
    program: &'static str,
    pub(super) certificate: Option<Certificate>,
    pub(super) clock: Option<Clock>,
    folder: Scratch,
}

impl Server {
    pub(super) fn new(program: &'static str, settings: &[String], secure: bool) -> Self {
        let folder = Scratch::new();
        let certificate = secure.then(|| Certificate::make(folder.path()));
        let server = Self {
            program,
            certificate,
            clock: None,
            folder,
        };
        let configuration = format!(
            "bind 127.0.0.1\ndir {:?}\nunixsocket {:?}\nuser {USER} on >{USER} ~* &* +@all\n{}\n",
            server.folder.path(),
            server.socket(),
            settings.join("\n")
        );
        fs::write(server.configuration(), configuration).expect("a file can be written");
        server
    }

    /// The server may write there what it was told later.
    fn configuration(&self) -> PathBuf {
        self.folder.path().join("redis.conf")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// Keeps a copy of its data as they are, which may end in the middle of a command.
    pub(super) fn remember(&self) {
        let copy = self.folder.path().join(COPY);
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).expect("a folder can be made");
        let files = fs::read_dir(self.folder.path().join(DATA)).expect("it keeps its data");
        for file in files {
            let file = file.expect("a file");
            fs::copy(file.path(), copy.join(file.file_name())).expect("a file can be copied");
        }
    }

    /// Puts the copy in the place of its data.
    pub(super) fn recall(&self) {
        self.forget();
        let folder = self.folder.path();
        fs::rename(folder.join(COPY), folder.join(DATA)).expect("there is a copy");
    }

    /// Takes its keys away, and leaves what a node of a cluster knows of the others.
    pub(super) fn forget(&self) {
        // There is what it was told to keep, and what a replica got.
        let _ = fs::remove_dir_all(self.folder.path().join(DATA));
        let _ = fs::remove_file(self.folder.path().join("dump.rdb"));
    }
}

impl Recipe for Server {
    fn command(&self, port: u16) -> Command {
        let mut command = engine::server(self.program);
        command.arg(self.configuration());
        if let Some(clock) = &self.clock {
            clock.rule(&mut command);
        }
        let port = port.to_string();
        match &self.certificate {
            None => command.args(["--port", &port]),
            Some(certificate) => command
                .args(["--port", "0", "--tls-port", &port])
                .args(["--tls-auth-clients", "no", "--tls-cert-file"])
                .arg(certificate.chain())
                .arg("--tls-key-file")
                .arg(certificate.key()),
        };
        command
    }

    async fn answers(&self, _port: u16) -> bool {
        let answer = resp::ask(&self.socket(), &[b"PING"]).await;
        answer.is_ok_and(|reply| reply == Reply::Text(b"PONG".to_vec()))
    }
}
