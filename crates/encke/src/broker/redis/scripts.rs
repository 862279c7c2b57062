//! What a server does in one piece: each script is atomic, as Redis runs nothing beside it.

use redis::{Cmd, ErrorKind, RedisError, ServerErrorKind, cmd};
use sha1::{Digest, Sha1};
use std::{fmt::Write, sync::LazyLock};

/// A text, and the digest by which servers know it.
pub(super) struct Script {
    text: &'static str,
    digest: String,
}

macro_rules! script {
    ($file:literal) => {
        LazyLock::new(|| {
            Script::new(concat!(
                include_str!("scripts/prelude.lua"),
                include_str!($file)
            ))
        })
    };
}

pub(super) static PUBLISH: LazyLock<Script> = script!("scripts/publish.lua");
pub(super) static READ: LazyLock<Script> = script!("scripts/read.lua");
pub(super) static HEAD: LazyLock<Script> = script!("scripts/head.lua");
pub(super) static REPORT: LazyLock<Script> = script!("scripts/report.lua");
pub(super) static AUDIENCE: LazyLock<Script> = script!("scripts/audience.lua");

impl Script {
    fn new(text: &'static str) -> Self {
        let mut digest = String::new();
        for byte in Sha1::digest(text) {
            let _ = write!(digest, "{byte:02x}");
        }
        Self { text, digest }
    }
}

/// One run of a script.
pub(super) struct Run {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Run {
    pub(super) fn new(script: &'static Script, keys: impl Into<Vec<String>>) -> Self {
        Self {
            script,
            keys: keys.into(),
            arguments: Vec::new(),
        }
    }

    pub(super) fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    pub(super) fn arg(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string().into_bytes());
        self
    }

    pub(super) fn data(mut self, argument: Vec<u8>) -> Self {
        self.arguments.push(argument);
        self
    }

    /// By its digest, which a server knows that has run it before.
    pub(super) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", &self.script.digest)
    }

    /// By its text.
    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len());
        command.arg(&self.keys);
        for argument in &self.arguments {
            command.arg(&argument[..]);
        }
        command
    }
}

/// Whether a script was not run since the server does not know it.
pub(super) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
