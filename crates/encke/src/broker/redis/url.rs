//! The URL of a Redis: which servers, and how to be let in.

use crate::ConnectError;
use percent_encoding::percent_decode_str;
use redis::{
    ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, TlsCertificates, io::tcp::TcpSettings,
};
use std::fs;
#[cfg(target_os = "linux")]
use std::time::Duration;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

/// How long sent data may wait for a peer that vanished.
#[cfg(target_os = "linux")]
const VANISHED: Duration = Duration::from_secs(5);

/// What a URL says.
#[derive(Clone)]
pub(super) struct Target {
    /// As it may be shown.
    pub(super) shown: std::sync::Arc<str>,
    pub(super) hosts: Vec<(String, u16)>,
    /// The name of the master, where the hosts are Sentinels.
    pub(super) master: Option<String>,
    pub(super) prefix: String,
    tls: bool,
    /// PEM, of who has signed the servers' certificates.
    ca: Option<Vec<u8>>,
    user: Option<String>,
    password: Option<String>,
    database: i64,
}

impl Target {
    /// `redis://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/DATABASE]`, `rediss://` for TLS,
    /// `redis+sentinel://…/MASTER`; `?prefix=` of the keys, `?ca=` a file.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        let invalid = |reason: &str| ConnectError::url(url, reason);
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| invalid("expected redis://HOST:PORT"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let (user, password) = match credentials.map(|text| text.split_once(':')) {
            Some(Some((user, password))) => (Some(user), Some(password)),
            Some(None) => return Err(invalid("credentials are USER:PASSWORD or :PASSWORD")),
            None => (None, None),
        };
        let decode = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => Err(invalid("percent-encoded bytes are not UTF-8")),
        };
        let is_sentinel = scheme.ends_with("+sentinel");
        let default_port = if is_sentinel { SENTINEL_PORT } else { PORT };
        let hosts = hosts
            .split(',')
            .map(|host| parse_host(host, default_port).ok_or_else(|| invalid("expected HOST:PORT")))
            .collect::<Result<Vec<_>, _>>()?;
        let (master, database) = match (is_sentinel, path) {
            (true, "") => return Err(invalid("the name of the master is missing: …/mymaster")),
            (true, name) => (Some(decode(name)?), 0),
            (false, "") => (None, 0),
            (false, number) => match number.parse() {
                Ok(number @ 0..) => (None, number),
                _ => return Err(invalid("behind the host comes the number of a database")),
            },
        };
        let mut target = Self {
            shown: crate::connect::without_password(url),
            hosts,
            master,
            prefix: "encke".to_owned(),
            tls: scheme.starts_with("rediss"),
            ca: None,
            user: user
                .filter(|user| !user.is_empty())
                .map(decode)
                .transpose()?,
            password: password.map(decode).transpose()?,
            database,
        };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value)?;
            match name {
                "prefix" if value.is_empty() || value.contains(['{', '}']) => {
                    return Err(invalid("a prefix is a text without braces"));
                }
                "prefix" => target.prefix = value,
                "ca" if !target.tls => return Err(invalid("ca is for rediss://")),
                "ca" => {
                    let pem = fs::read(&value);
                    target.ca =
                        Some(pem.map_err(|error| invalid(&format!("ca {value}: {error}")))?);
                }
                _ => return Err(invalid(&format!("unknown option {name:?}"))),
            }
        }
        Ok(target)
    }

    pub(super) fn database(&self) -> i64 {
        self.database
    }

    /// How to connect to a server of it.
    pub(super) fn server(
        &self,
        (host, port): &(String, u16),
    ) -> redis::RedisResult<ConnectionInfo> {
        let mut redis = RedisConnectionInfo::default()
            .set_db(self.database)
            .set_protocol(ProtocolVersion::RESP3)
            .set_lib_name("encke", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &self.user {
            redis = redis.set_username(user);
        }
        if let Some(password) = &self.password {
            redis = redis.set_password(password);
        }
        Ok(self
            .address(host, *port)
            .into_connection_info()?
            .set_redis_settings(redis)
            .set_tcp_settings(tcp()))
    }

    /// How to connect to a Sentinel, whose credentials are its own and not the master's.
    pub(super) fn sentinel(
        &self,
        (host, port): &(String, u16),
    ) -> redis::RedisResult<ConnectionInfo> {
        Ok(self
            .address(host, *port)
            .into_connection_info()?
            .set_tcp_settings(tcp()))
    }

    /// Who has signed the servers' certificates, where that is none whom the system trusts.
    pub(super) fn certificates(&self) -> Option<TlsCertificates> {
        let client_tls: Option<ClientTlsConfig> = None;
        self.tls.then(|| TlsCertificates {
            client_tls,
            root_cert: self.ca.clone(),
        })
    }

    fn address(&self, host: &str, port: u16) -> ConnectionAddr {
        match self.tls {
            false => ConnectionAddr::Tcp(host.to_owned(), port),
            true => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: false,
                tls_params: None,
            },
        }
    }
}

fn tcp() -> TcpSettings {
    let tcp = TcpSettings::default().set_nodelay(true);
    // Elsewhere the pings find out.
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(VANISHED);
    tcp
}

/// A name or an address; one of IPv6 in brackets.
fn parse_host(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (
                host,
                port.strip_prefix(':')
                    .or_else(|| port.is_empty().then_some(""))?,
            )
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" => default_port,
        port => port.parse().ok().filter(|port| *port > 0)?,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_url_is_read() {
        let target = Target::parse("redis://u%40x:p%2F@a:1,[::1]:2,c/3?prefix=live").unwrap();
        let host = |host: &str, port| (host.to_owned(), port);
        assert_eq!(
            target.hosts,
            [host("a", 1), host("::1", 2), host("c", PORT)]
        );
        assert_eq!(target.user.as_deref(), Some("u@x"));
        assert_eq!(target.password.as_deref(), Some("p/"));
        assert_eq!((target.database(), &*target.prefix), (3, "live"));
        let target = Target::parse("redis+sentinel://:p@a,b:7/mymaster").unwrap();
        assert_eq!(target.hosts, [host("a", SENTINEL_PORT), host("b", 7)]);
        assert_eq!(target.master.as_deref(), Some("mymaster"));
        assert_eq!((target.user, target.password.as_deref()), (None, Some("p")));
    }

    #[test]
    fn what_is_no_url_is_refused_without_its_password() {
        for url in [
            "redis:",
            "redis://",
            "redis://h:port",
            "redis://h:0",
            "redis://h:99999",
            "redis://secret@h",
            "redis://u:secret@",
            "redis://u:secret@h/db",
            "redis://u:secret@h/-1",
            "redis+sentinel://h",
            "redis://h?nonsense=1",
            "redis://h?prefix={x}",
            "redis://h?ca=/etc/x",
            "rediss://u:secret@h?ca=/there/is/none",
            "redis://[::1",
            "redis://u:%ff@h",
        ] {
            let Err(error) = Target::parse(url) else {
                panic!("{url} was taken");
            };
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
