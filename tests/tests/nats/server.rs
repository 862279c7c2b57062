//! A NATS server of a test's own.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio, id},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// Killed when dropped, and its data with it.
pub(crate) struct Server {
    port: u16,
    arguments: Vec<String>,
    child: Child,
    directory: PathBuf,
}

impl Server {
    /// With JetStream.
    pub(crate) fn start() -> Self {
        Self::with(&["-js"])
    }

    /// With these arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("encke-nats-{}-{count}", id()));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
        let child = spawn(port, &arguments, &directory);
        let server = Self {
            port,
            arguments,
            child,
            directory,
        };
        server.answers();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its data are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, after it was killed.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(self.port, &self.arguments, &self.directory);
        self.answers();
    }

    pub(crate) fn forget_data(&self) {
        fs::remove_dir_all(&self.directory).expect("its directory");
    }

    /// Sends it a signal, by name.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Publishes as any client may; returns when the server has it.
    pub(crate) fn publish(&self, subject: &str, payload: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        let length = payload.len();
        write!(
            stream,
            "CONNECT {{}}\r\nPUB {subject} {length}\r\n{payload}\r\nPING\r\n"
        )
        .expect("written");
        let mut said = BufReader::new(stream).lines();
        assert!(said.any(|line| line.expect("a line") == "PONG"));
    }

    fn answers(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let address = ("127.0.0.1", self.port);
            if let Ok(mut stream) = TcpStream::connect(address)
                && stream.read(&mut [0; 4]).is_ok_and(|count| count > 0)
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nats-server does not answer (`cargo xtask setup` installs it)");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn spawn(port: u16, arguments: &[String], directory: &Path) -> Child {
    let directory = directory.display().to_string();
    Command::new("nats-server")
        .args([
            "-a",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-sd",
            &directory,
        ])
        .args(arguments)
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts (`cargo xtask setup` installs it)")
}
