//! The browsers, and how each is started with nothing but its window and our pages.
//!
//! None may talk to the outside: every address but this machine's leads nowhere.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::process::Command;

/// A browser engine the tests run in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Blink and V8, driven by chromedriver.
    Chromium,
    /// Gecko and SpiderMonkey, driven by geckodriver.
    Firefox,
    /// WebKitGTK's MiniBrowser, which needs a screen, driven by WebKitWebDriver.
    WebKit,
}

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:9";

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Chromium, Self::Firefox, Self::WebKit];

    /// The name in messages and in `ENCKE_BROWSERS`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::Firefox => "firefox",
            Self::WebKit => "webkit",
        }
    }

    /// What the driver prints once it listens, just before its port.
    pub(crate) fn ready(self) -> Option<&'static str> {
        match self {
            Self::Chromium => Some("started successfully on port "),
            Self::Firefox => Some("Listening on 127.0.0.1:"),
            // It says nothing at all.
            Self::WebKit => None,
        }
    }

    /// The driver, to listen on `port`, with everything it writes below `scratch`.
    pub(crate) fn driver(self, port: u16, scratch: &Path) -> Command {
        match self {
            Self::Chromium => {
                let mut command = Command::new("chromedriver");
                command.arg(format!("--port={port}"));
                command
            }
            Self::Firefox => {
                let mut command = Command::new("geckodriver");
                command.args(["--log", "info", "--port", &port.to_string()]);
                command.args(["--websocket-port", "0"]);
                command.arg("--profile-root").arg(scratch);
                command.env("HOME", scratch).env("MOZ_HEADLESS", "1");
                command
            }
            Self::WebKit => {
                let mut command = Command::new("WebKitWebDriver");
                command.arg(format!("--port={port}"));
                command.env("HOME", scratch);
                for directory in ["DATA", "CACHE", "CONFIG"] {
                    command.env(format!("XDG_{directory}_HOME"), scratch);
                }
                // Root in a container may not make the name spaces of a sandbox.
                command.env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1");
                command.env("NO_AT_BRIDGE", "1").env("GDK_BACKEND", "x11");
                command
            }
        }
    }

    /// What the driver is asked for.
    pub(crate) fn capabilities(self, scratch: &Path) -> Value {
        match self {
            Self::Chromium => json!({"goog:chromeOptions": {"args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                format!("--user-data-dir={}", scratch.display()),
            ]}}),
            Self::Firefox => json!({"moz:firefoxOptions": {
                "binary": "firefox-esr",
                "args": ["-headless"],
                "prefs": {
                    "network.proxy.type": 1,
                    "network.proxy.http": "127.0.0.1",
                    "network.proxy.http_port": 9,
                    "network.proxy.ssl": "127.0.0.1",
                    "network.proxy.ssl_port": 9,
                    "network.proxy.allow_hijacking_localhost": false,
                },
            }}),
            Self::WebKit => json!({"webkitgtk:browserOptions": {
                "binary": mini_browser(),
                "args": [
                    "--automation",
                    format!("--proxy=http://{NOWHERE}"),
                    "--ignore-host=127.0.0.1",
                ],
            }}),
        }
    }
}

/// MiniBrowser belongs to WebKitGTK's library and is in no `PATH`.
fn mini_browser() -> PathBuf {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    folders(Path::new("/usr/lib"))
        .iter()
        .flat_map(|architecture| folders(architecture))
        .filter(|path| path.to_string_lossy().contains("webkit2gtk-4."))
        .map(|path| path.join("MiniBrowser"))
        .find(|path| path.is_file())
        .expect("no /usr/lib/*/webkit2gtk-4.*/MiniBrowser: run `cargo xtask setup`")
}
