//! nginx with the configuration of the example, in front of nodes of a test.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::process::Process;
use crate::scratch::Scratch;

const EXAMPLE: &str = include_str!("../../examples/nginx/nginx.conf");

/// Where the example has its nodes.
const NODES: [&str; 3] = ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"];

const PATIENCE: Duration = Duration::from_secs(20);

/// A running nginx, ended when dropped.
pub struct Nginx {
    address: SocketAddr,
    _process: Process,
    _files: Scratch,
}

impl Nginx {
    /// Starts it before these nodes, with this long a time after which it ends quiet streams.
    ///
    /// # Panics
    /// When it does not start, or the example is not as it was.
    pub async fn before(nodes: [SocketAddr; 3], idle: Duration) -> Self {
        let address = free_address().await;
        let files = Scratch::new();
        let write = |name: &str, text: String| {
            fs::write(files.path().join(name), text).expect("a file can be written");
        };
        write("nginx.conf", around());
        write("encke.conf", example(address, nodes, idle));
        let mut command = Command::new(program());
        command.arg("-p").arg(files.path()).args(["-e", "stderr"]);
        command.args(["-c", "nginx.conf"]);
        let mut nginx = Self {
            address,
            _process: Process::start(command),
            _files: files,
        };
        nginx.has_started().await;
        nginx
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn has_started(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).await.is_err() {
            if self._process.has_ended() {
                self._process.after("a reason").await;
            }
            assert!(Instant::now() < deadline, "nginx does not listen");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What Debian has around it, as far as it matters here, with every path within the prefix.
fn around() -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("    {name}_temp_path {name};\n"));
    format!(
        "pid nginx.pid;\n\
         daemon off;\n\
         # One process, which ends with the test.\n\
         master_process off;\n\
         events {{ worker_connections 768; }}\n\
         http {{\n{}    access_log off;\n    gzip on;\n    include encke.conf;\n}}\n",
        temporary.concat()
    )
}

/// The example, at other addresses and less patient.
fn example(address: SocketAddr, nodes: [SocketAddr; 3], idle: Duration) -> String {
    let replace = |text: String, old: &str, new: &str| {
        assert!(text.contains(old), "the example has no {old:?}");
        text.replace(old, new)
    };
    let mut text = replace(
        EXAMPLE.to_owned(),
        "listen 80;",
        &format!("listen {address};"),
    );
    for (place, node) in NODES.iter().zip(nodes) {
        text = replace(text, place, &node.to_string());
    }
    replace(text, " 80s;", &format!(" {}ms;", idle.as_millis()))
}

/// Nobody listens there, unless somebody else was given it meanwhile.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let address = listener.and_then(|listener| listener.local_addr());
    address.expect("a free port")
}

/// Debian has it where only root looks.
fn program() -> &'static str {
    match fs::exists("/usr/sbin/nginx") {
        Ok(true) => "/usr/sbin/nginx",
        _ => "nginx",
    }
}
