//! As much of HTTP/1.1 as a load program and a bare loop need.

use std::net::{SocketAddr, ToSocketAddrs};

use memchr::memmem;

use crate::BoxError;

/// `http://HOST:PORT/PATH` or `https://…`, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Url {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Self, BoxError> {
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))
            .ok_or_else(|| format!("not an http:// or https:// URL: {url}"))?;
        let (host, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, "/"),
        };
        let address = host.to_socket_addrs()?.next();
        Ok(Self {
            address: address.ok_or_else(|| format!("no address: {host}"))?,
            host: host.to_owned(),
            path: path.to_owned(),
        })
    }
}

/// The head at the beginning of `bytes` without its empty line, and where the body begins.
pub(crate) fn head(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memmem::find(bytes, b"\r\n\r\n")?;
    Some((&bytes[..end], end + 4))
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = std::str::from_utf8(head).ok()?.split("\r\n").skip(1);
    lines
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The status code of an answer.
pub(crate) fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    std::str::from_utf8(line.get(2..5)?).ok()?.parse().ok()
}

/// The first line of a head, to be shown to someone.
pub(crate) fn first_line(head: &[u8]) -> String {
    let line = head.split(|byte| *byte == b'\r').next();
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}
