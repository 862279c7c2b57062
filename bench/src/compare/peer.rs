//! A server that is compared: how it is made ready, started and spoken to.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{BoxError, place::Place, transport::Transport};

/// Paths and texts have the marks of [`Place::fill`]; paths of channels also `{channel}`.
pub(super) struct Peer {
    /// What `--peers` says.
    pub(super) name: &'static str,
    /// What the table says.
    pub(super) title: &'static str,
    pub(super) version: Version,
    /// Commands that have to succeed before, run at the root of the repository.
    pub(super) build: &'static [&'static [&'static str]],
    /// A file that is there when it is installed, and the Debian packages that bring it.
    pub(super) installed: Option<(&'static str, &'static str)>,
    /// Files that are copied, with their marks filled in.
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) program: &'static [&'static str],
    pub(super) environment: &'static [(&'static str, &'static str)],
    /// Told to the load program: how to speak TLS, and HTTP/2.
    pub(super) client: &'static [&'static str],
    pub(super) routes: &'static [Route],
    pub(super) publish: Publish,
    /// Added to a route's path, it has newcomers recover from `{epoch}` and `{offset}`.
    pub(super) recover: Option<&'static str>,
    /// The path of its WebSocket echo.
    pub(super) echo: Option<&'static str>,
    /// Seconds of load before it is as quick as it gets.
    pub(super) warm_up: Option<&'static str>,
    /// Ours: measured in every mode.
    pub(super) ours: bool,
}

/// How to listen to a channel.
pub(super) struct Route {
    pub(super) transport: Transport,
    pub(super) path: &'static str,
    pub(super) headers: &'static [&'static str],
    /// What a WebSocket says first.
    pub(super) hello: Option<&'static str>,
}

/// How to publish to a channel.
pub(super) struct Publish {
    pub(super) path: &'static str,
    pub(super) headers: &'static [&'static str],
    pub(super) body: &'static str,
}

/// Where its version is found.
pub(super) enum Version {
    /// The commit that is checked out.
    Commit,
    /// What follows the mark in a file, up to a quote or an angle bracket.
    InFile(&'static str, &'static str),
    /// The first line that a command prints, on either output.
    Printed(&'static [&'static str]),
    /// The one that is built.
    Named(&'static str),
}

impl Route {
    pub(super) const fn new(transport: Transport, path: &'static str) -> Self {
        Self {
            transport,
            path,
            headers: &[],
            hello: None,
        }
    }
}

impl Publish {
    pub(super) const fn at(path: &'static str) -> Self {
        Self {
            path,
            headers: &[],
            body: "{}",
        }
    }
}

impl Peer {
    pub(super) fn route(&self, transport: Transport) -> Option<&'static Route> {
        self.routes
            .iter()
            .find(|route| route.transport == transport)
    }

    /// Builds it, or says why it cannot be measured.
    pub(super) fn make_ready(&self, place: &Place) -> Result<(), String> {
        if let Some((file, packages)) = self.installed
            && !Path::new(file).exists()
        {
            return Err(format!("not installed (apt-get install {packages})"));
        }
        self.copy_files(place, 0)
            .map_err(|error| error.to_string())?;
        for command in self.build {
            let command: Vec<String> = command.iter().map(|word| place.fill(word, 0)).collect();
            let line = command.join(" ");
            eprintln!("$ {line}");
            let status = Command::new(&command[0])
                .args(&command[1..])
                .current_dir(Place::root())
                .stdout(Stdio::null())
                .status()
                .map_err(|error| format!("cannot run `{line}`: {error}"))?;
            if !status.success() {
                return Err(format!("`{line}` failed"));
            }
        }
        Ok(())
    }

    pub(super) fn copy_files(&self, place: &Place, port: u16) -> Result<(), BoxError> {
        for (from, to) in self.files {
            let to = place.fill(to, port);
            let text = fs::read_to_string(place.fill(from, port))?;
            if let Some(folder) = Path::new(&to).parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(to, place.fill(&text, port))?;
        }
        Ok(())
    }

    pub(super) fn version(&self, place: &Place) -> String {
        let version = match self.version {
            Version::Commit => printed(place, &["git", "rev-parse", "--short", "HEAD"]),
            Version::Printed(command) => printed(place, command),
            Version::Named(version) => Some(version.to_owned()),
            Version::InFile(file, mark) => fs::read_to_string(place.fill(file, 0))
                .ok()
                .and_then(|text| Some(text.split_once(mark)?.1.to_owned()))
                .and_then(|rest| Some(rest.split(['"', '<']).next()?.to_owned())),
        };
        version.unwrap_or_default()
    }
}

fn printed(place: &Place, command: &[&str]) -> Option<String> {
    let command: Vec<String> = command.iter().map(|word| place.fill(word, 0)).collect();
    let output = Command::new(&command[0])
        .args(&command[1..])
        .current_dir(Place::root())
        .output()
        .ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}
