//! What the URL of a NATS broker says.

use crate::connect::{ConnectError, without_password};
use async_nats::ServerAddr;
use percent_encoding::percent_decode_str;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// How to reach the servers, and which streams to use there.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The URL, without its password.
    pub(super) shown: Arc<str>,
    pub(super) servers: Vec<ServerAddr>,
    pub(super) credentials: Credentials,
    pub(super) requires_tls: bool,
    pub(super) ca: Option<PathBuf>,
    /// The name of the stream, and the first token of every subject.
    pub(super) stream: Arc<str>,
    pub(super) replicas: Option<u8>,
    pub(super) storage: Option<Storage>,
    /// How long a position outlives its publication where nobody listens.
    pub(super) head_age: Option<Duration>,
}

#[derive(Clone)]
pub(super) enum Credentials {
    None,
    Token(String),
    User(String, String),
}

/// Never with what is secret.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(***)",
            Self::User(..) => "User(***)",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    File,
    Memory,
}

impl Storage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Memory => "memory",
        }
    }
}

impl Settings {
    /// Reads `nats://` and `tls://` URLs.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let error = |reason: &str| ConnectError::url(url, reason);
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| error("its scheme is not followed by ://"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(error("nothing but ?OPTIONS follows the hosts"));
        }
        let mut settings = Self {
            shown: without_password(url),
            servers: Vec::new(),
            credentials: Credentials::None,
            requires_tls: scheme == "tls",
            ca: None,
            stream: "ENCKE".into(),
            replicas: None,
            storage: None,
            head_age: None,
        };
        for host in hosts.split(',') {
            settings.add_host(host).map_err(|why| error(&why))?;
        }
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            settings.set(&name, &value).map_err(|why| error(&why))?;
        }
        Ok(settings)
    }

    fn add_host(&mut self, host: &str) -> Result<(), String> {
        let (credentials, host) = match host.rsplit_once('@') {
            Some((credentials, host)) => (Some(credentials), host),
            None => (None, host),
        };
        if host.is_empty() {
            return Err("it names no host".into());
        }
        if let (Some(given), Credentials::None) = (credentials, &self.credentials) {
            let decoded = |part| percent_decode_str(part).decode_utf8_lossy().into_owned();
            self.credentials = match given.split_once(':') {
                Some((user, password)) => Credentials::User(decoded(user), decoded(password)),
                None => Credentials::Token(decoded(given)),
            };
        }
        let scheme = if self.requires_tls { "tls" } else { "nats" };
        let server = format!("{scheme}://{host}").parse();
        let server: ServerAddr = server.map_err(|_| format!("{host:?} is not HOST:PORT"))?;
        if server.host().is_empty() {
            return Err(format!("{host:?} is not HOST:PORT"));
        }
        self.servers.push(server);
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "stream" => {
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                if value.is_empty() || value.len() > 64 || !value.bytes().all(fits) {
                    return Err(format!(
                        "stream={value} is not 1 to 64 letters, digits, - and _"
                    ));
                }
                self.stream = value.into();
            }
            "replicas" => {
                let replicas = value.parse().ok().filter(|count| (1..=5).contains(count));
                self.replicas =
                    Some(replicas.ok_or_else(|| format!("replicas={value} is not 1 to 5"))?);
            }
            "storage" => {
                self.storage = Some(match value {
                    "file" => Storage::File,
                    "memory" => Storage::Memory,
                    _ => return Err(format!("storage={value} is neither file nor memory")),
                });
            }
            "head_age" => {
                let seconds = value.parse().ok().filter(|seconds| *seconds > 0);
                let seconds =
                    seconds.ok_or_else(|| format!("head_age={value} is no number of seconds"))?;
                self.head_age = Some(Duration::from_secs(seconds));
            }
            "ca" => self.ca = Some(value.into()),
            _ => {
                return Err(format!(
                    "option {name:?} is none of stream, replicas, storage, head_age and ca"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_credentials_and_options_are_read() {
        let url = "nats://u:p%40ss@a:1,[::1]?stream=X-1&replicas=3&storage=memory&head_age=60";
        let settings = Settings::parse(url).unwrap();
        let servers = settings.servers.iter();
        let servers: Vec<_> = servers
            .map(|server| (server.host(), server.port()))
            .collect();
        assert_eq!(servers, [("a", 1), ("::1", 4222)]);
        assert!(
            matches!(&settings.credentials, Credentials::User(u, p) if u == "u" && p == "p@ss")
        );
        assert_eq!(&*settings.stream, "X-1");
        assert_eq!(
            (settings.replicas, settings.storage),
            (Some(3), Some(Storage::Memory))
        );
        assert_eq!(settings.head_age, Some(Duration::from_secs(60)));
        assert!(!format!("{settings:?}").contains("p@ss"));
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (url, named) in [
            ("nats:", "://"),
            ("nats://", "no host"),
            ("nats://a,,b", "no host"),
            ("nats://a:b:c", "HOST:PORT"),
            ("nats://a/x", "OPTIONS"),
            ("nats://a?stream=a.b", "stream=a.b"),
            ("nats://a?replicas=9", "replicas=9"),
            ("nats://a?storage=disk", "storage=disk"),
            ("nats://a?head_age=0", "head_age=0"),
            ("nats://a?color=red", "color"),
        ] {
            let error = Settings::parse(url).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
