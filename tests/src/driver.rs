//! A WebDriver server of its own for each session, and the screen it may need.

use std::net::TcpListener;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::sleep;

use crate::kind::Kind;
use crate::process::Process;
use crate::scratch::Scratch;

const POLL: Duration = Duration::from_millis(20);

/// How often a driver may find the port taken that it chose.
const TRIES: usize = 5;

/// Ends with everything it started when dropped; fields go in this order.
pub(crate) struct Driver {
    port: u16,
    _driver: Process,
    _screen: Option<Process>,
    scratch: Scratch,
}

impl Driver {
    pub(crate) async fn start(kind: Kind) -> Self {
        let scratch = Scratch::new();
        let (screen, display) = match kind {
            Kind::Chromium | Kind::Firefox => (None, None),
            Kind::WebKit => {
                let (screen, display) = screen().await;
                (Some(screen), Some(display))
            }
        };
        let start = |port| {
            let mut command = kind.driver(port, scratch.path());
            command.env("TMPDIR", scratch.path());
            if let Some(display) = &display {
                command.env("DISPLAY", display);
            }
            Process::start(command)
        };
        let (driver, port) = match kind.ready() {
            Some(marker) => on_a_port_of_its_own(|| start(0), marker).await,
            None => on_a_free_port(start).await,
        };
        Self {
            port,
            _driver: driver,
            _screen: screen,
            scratch,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }
}

/// For a driver that chooses its port: tries again where that was free for IPv6 and not for IPv4.
async fn on_a_port_of_its_own(start: impl Fn() -> Process, marker: &str) -> (Process, u16) {
    let mut told = Vec::new();
    for _ in 0..TRIES {
        let mut driver = start();
        match driver.find(marker).await {
            Ok(port) => {
                let port = port.trim_end_matches('.').parse();
                return (driver, port.expect("a driver prints its port"));
            }
            Err(lines) => told = lines,
        }
    }
    panic!("the driver printed no {marker:?} in {TRIES} tries, but {told:#?}");
}

/// For a driver that cannot choose its port: tries until it got the one it was told.
async fn on_a_free_port(start: impl Fn(u16) -> Process) -> (Process, u16) {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        drop(listener);
        let mut driver = start(port);
        while !driver.has_ended() {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return (driver, port);
            }
            sleep(POLL).await;
        }
    }
}

/// An X server on a free display, and its name.
async fn screen() -> (Process, String) {
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "1280x1024x24"]);
    command.args(["-nolisten", "tcp"]);
    let mut screen = Process::start(command);
    let number = screen.after("").await;
    (screen, format!(":{number}"))
}
