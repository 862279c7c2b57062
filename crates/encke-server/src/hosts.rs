//! The names this server answers to.
//!
//! A web page can point a name of its own at 127.0.0.1 and would then speak to this server as to
//! its own origin (DNS rebinding). It cannot do so without its name in the Host header. An address
//! cannot be rebound: a page that says `Host: 192.0.2.1` came from there.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use http::{HeaderValue, Request, StatusCode, Version, header::HOST, uri::Authority};
use thiserror::Error;

/// The hosts that a request may name.
#[derive(Debug)]
pub(crate) struct Hosts {
    known: Vec<Host>,
    any_address: bool,
}

/// A host without its port.
#[derive(Debug, PartialEq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

/// A request for a host that is not ours.
#[derive(Debug, Error)]
pub(crate) enum HostError {
    #[error("the request names no host")]
    Missing,
    #[error("the host of the request cannot be read")]
    Unreadable,
    #[error("unknown host {0}: if this server may answer to it, start encke with --host {0}")]
    Unknown(Host),
}

impl HostError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Missing | Self::Unreadable => StatusCode::BAD_REQUEST,
            Self::Unknown(_) => StatusCode::MISDIRECTED_REQUEST,
        }
    }
}

/// `--host` was given something that is no host name.
#[derive(Debug, Error)]
#[error("not a host name: {0:?}")]
pub(crate) struct InvalidHost(String);

impl Hosts {
    /// The loopback names, the address listened on (any address if that is `0.0.0.0` or `[::]`), and `names`.
    pub(crate) fn new(listen: IpAddr, names: &[String]) -> Result<Self, InvalidHost> {
        let mut known = vec![
            Host::Name("localhost".to_owned()),
            Host::Address(Ipv4Addr::LOCALHOST.into()),
            Host::Address(Ipv6Addr::LOCALHOST.into()),
            Host::Address(listen),
        ];
        for name in names {
            known.push(Host::parse(name.as_bytes()).ok_or_else(|| InvalidHost(name.clone()))?);
        }
        Ok(Self {
            known,
            any_address: listen.is_unspecified(),
        })
    }

    /// Refuses a request that names a host which is not ours.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), HostError> {
        let target = request
            .uri()
            .authority()
            .map(|authority| authority.as_str().as_bytes());
        let headers = request
            .headers()
            .get_all(HOST)
            .iter()
            .map(HeaderValue::as_bytes);
        let mut named = target.into_iter().chain(headers).peekable();
        if named.peek().is_none() && request.version() >= Version::HTTP_11 {
            return Err(HostError::Missing);
        }
        named.try_for_each(|host| self.check_one(host))
    }

    fn check_one(&self, given: &[u8]) -> Result<(), HostError> {
        let host = Host::parse(given).ok_or(HostError::Unreadable)?;
        let any_address = self.any_address && matches!(host, Host::Address(_));
        if any_address || self.known.contains(&host) {
            return Ok(());
        }
        Err(HostError::Unknown(host))
    }
}

impl Host {
    /// Reads a host with or without a port, which does not matter here.
    fn parse(host: &[u8]) -> Option<Self> {
        let host = std::str::from_utf8(host).ok()?;
        if let Ok(address) = host.parse() {
            return Some(Self::Address(address));
        }
        let authority = Authority::try_from(host).ok()?;
        if authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host();
        let address = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if let Ok(address) = address.parse() {
            return Some(Self::Address(address));
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        let label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (!name.is_empty() && name.bytes().all(label)).then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &Hosts, given: &[&str]) -> Option<u16> {
        let mut request = Request::new(());
        for host in given {
            request.headers_mut().append(HOST, host.parse().unwrap());
        }
        hosts
            .check(&request)
            .err()
            .map(|error| error.status().as_u16())
    }

    fn hosts(listen: &str, names: &[&str]) -> Hosts {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        Hosts::new(listen.parse().unwrap(), &names).unwrap()
    }

    #[test]
    fn own_names_are_known_with_any_port() {
        let hosts = hosts("192.0.2.7", &["Push.Example.org"]);
        for host in [
            "localhost",
            "LOCALHOST:9000",
            "localhost.",
            "127.0.0.1:1",
            "[::1]:9000",
            "192.0.2.7",
            "push.example.org:443",
            "push.example.org.",
        ] {
            assert_eq!(status(&hosts, &[host]), None, "{host}");
        }
    }

    #[test]
    fn other_names_are_misdirected() {
        let hosts = hosts("127.0.0.1", &[]);
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.7",
        ] {
            assert_eq!(status(&hosts, &[host]), Some(421), "{host}");
        }
        assert_eq!(status(&hosts, &["localhost", "evil.example"]), Some(421));
    }

    #[test]
    fn hosts_that_cannot_be_read_are_bad_requests() {
        let hosts = hosts("0.0.0.0", &[]);
        for host in ["", "user@localhost", "a b", "lo<calhost", "[::1"] {
            assert_eq!(status(&hosts, &[host]), Some(400), "{host}");
        }
        assert_eq!(status(&hosts, &[]), Some(400));
    }

    #[test]
    fn on_every_interface_any_address_is_ours_but_no_other_name() {
        let hosts = hosts("0.0.0.0", &[]);
        assert_eq!(status(&hosts, &["192.0.2.7:9000"]), None);
        assert_eq!(status(&hosts, &["[2001:db8::1]:9000"]), None);
        assert_eq!(status(&hosts, &["evil.example"]), Some(421));
    }

    #[test]
    fn the_request_target_counts_as_well() {
        let request = Request::get("http://evil.example/")
            .header(HOST, "localhost")
            .body(())
            .unwrap();
        assert!(hosts("127.0.0.1", &[]).check(&request).is_err());
    }

    #[test]
    fn a_request_of_http_2_names_its_host_in_the_target() {
        let ask = |target: &str| {
            let request = Request::get(target).version(Version::HTTP_2).body(());
            let checked = hosts("127.0.0.1", &[]).check(&request.unwrap());
            checked.err().map(|error| error.status().as_u16())
        };
        assert_eq!(ask("https://localhost:9443/"), None);
        assert_eq!(ask("https://evil.example/"), Some(421));
        assert_eq!(ask("/"), Some(400));
    }
}
