//! What an engine under a broker has counted: for a load program, what its load made of it.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{BoxError, http};

/// By the names that an engine has for it.
pub(crate) type Counters = BTreeMap<String, f64>;

/// Where a server on this machine tells what it has counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counter {
    /// A Redis server.
    Redis(u16),
    /// The monitor of a NATS server.
    Nats(u16),
}

/// What is read of NATS, and where `/varz` has it.
const VARZ: [(&str, &str); 5] = [
    ("messages in", "/in_msgs"),
    ("messages out", "/out_msgs"),
    ("bytes in", "/in_bytes"),
    ("bytes out", "/out_bytes"),
    ("API requests", "/jetstream/stats/api/total"),
];

/// How long a server may take to tell.
const PATIENCE: Duration = Duration::from_secs(10);

impl Counter {
    /// `redis=PORT` or `nats=PORT`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (kind, port) = text.split_once('=').ok_or("not ENGINE=PORT")?;
        let port = port.parse().map_err(|_| format!("no port: {port}"))?;
        match kind {
            "redis" => Ok(Self::Redis(port)),
            "nats" => Ok(Self::Nats(port)),
            _ => Err(format!("no engine {kind}; there are redis and nats")),
        }
    }

    fn read(self) -> Result<Counters, BoxError> {
        match self {
            Self::Redis(port) => redis(port),
            Self::Nats(port) => nats(port),
        }
    }
}

/// As it is parsed.
impl Display for Counter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(port) => write!(f, "redis={port}"),
            Self::Nats(port) => write!(f, "nats={port}"),
        }
    }
}

/// What all of them have counted together.
pub(crate) fn read(counters: &[Counter]) -> Result<Counters, BoxError> {
    let mut sum = Counters::new();
    for counter in counters {
        for (name, count) in counter.read()? {
            *sum.entry(name).or_default() += count;
        }
    }
    Ok(sum)
}

/// Calls of each command, those of scripts included, and the time that scripts took.
fn redis(port: u16) -> Result<Counters, BoxError> {
    let mut counters = Counters::new();
    let stats = ask_redis(port, &["INFO", "commandstats"])?;
    for (command, calls, microseconds) in stats.lines().filter_map(stat) {
        if command == "evalsha" {
            counters.insert("µs in EVALSHA".to_owned(), microseconds);
        }
        counters.insert(command.to_uppercase(), calls);
    }
    Ok(counters)
}

/// `cmdstat_NAME:calls=1,usec=2,…`
fn stat(line: &str) -> Option<(&str, f64, f64)> {
    let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
    let (calls, rest) = rest.split_once(",usec=")?;
    let (microseconds, _) = rest.split_once(',')?;
    Some((command, calls.parse().ok()?, microseconds.parse().ok()?))
}

/// What a Redis server on this machine answers.
pub(crate) fn ask_redis(port: u16, question: &[&str]) -> Result<String, BoxError> {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string()]);
    printed(command.args(question))
}

/// What a command prints.
pub(crate) fn printed(command: &mut Command) -> Result<String, BoxError> {
    let output = command
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let text = String::from_utf8(output.stdout)?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {text}{errors}").into());
    }
    Ok(text.trim().to_owned())
}

/// Messages of clients, whatever they are for, and requests to JetStream's API.
fn nats(monitor: u16) -> Result<Counters, BoxError> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, monitor))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /varz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let (_, body) = http::head(&answer).ok_or("the NATS server's monitor does not speak HTTP")?;
    let varz: Value = serde_json::from_slice(&answer[body..])?;
    let counters = VARZ.iter().map(|(name, path)| {
        let count = varz.pointer(path).and_then(Value::as_f64);
        let count = count.ok_or_else(|| format!("the NATS server does not count {path}"))?;
        Ok(((*name).to_owned(), count))
    });
    counters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_statistics_tells_calls_and_time() {
        let line = "cmdstat_evalsha:calls=12,usec=480,usec_per_call=40.00,rejected_calls=0";
        assert_eq!(stat(line), Some(("evalsha", 12.0, 480.0)));
        assert_eq!(stat("# Commandstats"), None);
    }
}
