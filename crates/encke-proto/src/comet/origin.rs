//! The origin of a page that receives a Comet socket's messages by `postMessage`.

use std::fmt;
use std::net::Ipv6Addr;

use crate::excerpt;

/// Bytes an origin may have: the longest scheme, host and port.
const MAX_LENGTH: usize = 8 + 253 + 6;

/// The origin of a web page, such as `https://app.example:8443`.
///
/// Written as browsers send it: `http` or `https`, host in lower case, no path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

impl Origin {
    /// Checks an origin as it stands in an `Origin` header.
    ///
    /// # Errors
    ///
    /// When `origin` is not scheme, host and perhaps port; `*` and `null` are no origins.
    pub fn new(origin: &str) -> Result<Self, InvalidOrigin> {
        let (authority, default_port) = match origin.split_once("://") {
            Some(("https", authority)) => (authority, ":443"),
            Some(("http", authority)) => (authority, ":80"),
            _ => ("", ""),
        };
        if origin.len() > MAX_LENGTH || !is_authority(authority) {
            return Err(InvalidOrigin::new(origin));
        }
        // Browsers leave it out: an origin with it would never be found.
        let origin = origin.strip_suffix(default_port).unwrap_or(origin);
        Ok(Self(origin.into()))
    }

    /// The origin as it is written into a script or a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_authority(authority: &str) -> bool {
    if let Some(bracketed) = authority.strip_prefix('[') {
        let Some((address, after)) = bracketed.split_once(']') else {
            return false;
        };
        return address.parse::<Ipv6Addr>().is_ok() && is_port_part(after);
    }
    let (host, after) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    let in_alphabet =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
    !host.is_empty() && host.bytes().all(in_alphabet) && is_port_part(after)
}

fn is_port_part(text: &str) -> bool {
    match text.strip_prefix(':') {
        Some(port) => port
            .parse::<u16>()
            .is_ok_and(|number| number.to_string() == port),
        None => text.is_empty(),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is not an [`Origin`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin such as https://app.example")]
pub struct InvalidOrigin(String);

impl InvalidOrigin {
    fn new(origin: &str) -> Self {
        Self(excerpt(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_host_and_port_are_accepted() {
        for origin in [
            "http://localhost",
            "http://localhost:9000",
            "https://app.example",
            "https://xn--e1afmkfd.example:8443",
            "http://127.0.0.1:1",
            "http://[::1]:9000",
            "http://[2001:db8::1]",
        ] {
            assert_eq!(Origin::new(origin).unwrap().as_str(), origin);
        }
    }

    #[test]
    fn default_port_is_left_out_as_browsers_do() {
        for (origin, written) in [
            ("https://app.example:443", "https://app.example"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://app.example:443", "http://app.example:443"),
        ] {
            assert_eq!(Origin::new(origin).unwrap().as_str(), written);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for origin in [
            "",
            "*",
            "null",
            "localhost",
            "ftp://a",
            "http://",
            "http://a/",
            "http://a/b",
            "http://a:",
            "http://a:x",
            "http://a:+1",
            "http://a:65536",
            "http://a:080",
            "http://A",
            "http://a\"",
            "http://u@a",
            "http://[::1",
            "http://::1]",
            "http://[x]",
            "http://a]:1",
            "javascript:1",
        ] {
            assert!(Origin::new(origin).is_err(), "{origin}");
        }
    }
}
