//! The scheme a server's pages are reached by, where a proxy in front of it ends TLS.

use super::forwarded::last_proto;
use encke_proto::excerpt;
use http::{HeaderMap, HeaderName, header};
use std::{borrow::Cow, fmt};

static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The header by which a proxy tells the scheme that its client speaks, to be trusted where every
/// request comes through a proxy that sets it.
///
/// A client can send these headers too, so nothing reads them unless it is told to. What counts is
/// the last value, which the nearest proxy wrote: it is `http` or `https`, or `ws` or `wss`. Where
/// it is missing, in two lines, or anything else, or where two trusted headers contradict each
/// other, a page that would be the server's own gets 403, with the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemeHeader {
    /// `X-Forwarded-Proto: https`, of a list the last.
    XForwardedProto,
    /// `Forwarded: for=192.0.2.1;proto=https` (RFC 7239), of several elements the last.
    Forwarded,
}

impl SchemeHeader {
    /// Its name, in lower case.
    pub fn name(self) -> &'static HeaderName {
        match self {
            Self::XForwardedProto => &X_FORWARDED_PROTO,
            Self::Forwarded => &header::FORWARDED,
        }
    }

    /// The scheme that the last proxy tells.
    fn read(self, headers: &HeaderMap) -> Result<Scheme, UnclearScheme> {
        let mut lines = headers.get_all(self.name()).iter();
        let line = match (lines.next(), lines.next()) {
            (None, _) => return Err(UnclearScheme::Missing(self)),
            (Some(line), None) => line,
            (Some(_), Some(_)) => return Err(UnclearScheme::Doubled(self)),
        };
        let text = line.to_str().ok();
        let told = match self {
            Self::XForwardedProto => text.and_then(|text| text.rsplit(',').next().map(Cow::from)),
            Self::Forwarded => text.and_then(last_proto),
        };
        told.as_deref()
            .and_then(Scheme::parse)
            .ok_or_else(|| UnclearScheme::Unreadable {
                header: self,
                value: excerpt(&String::from_utf8_lossy(line.as_bytes())),
            })
    }
}

impl fmt::Display for SchemeHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::XForwardedProto => "X-Forwarded-Proto",
            Self::Forwarded => "Forwarded",
        })
    }
}

/// What a server's pages are reached by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Some proxies tell the scheme of a WebSocket's own URL.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']).to_ascii_lowercase();
        match text.as_str() {
            "http" | "ws" => Some(Self::Http),
            "https" | "wss" => Some(Self::Https),
            _ => None,
        }
    }

    pub(super) fn is_of(self, origin: &str) -> bool {
        match self {
            Self::Http => origin.starts_with("http://"),
            Self::Https => origin.starts_with("https://"),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// The scheme that `trusted` headers tell; `None` where none is trusted.
pub(super) fn told(
    trusted: &[SchemeHeader],
    headers: &HeaderMap,
) -> Result<Option<Scheme>, UnclearScheme> {
    let mut told = None;
    for &header in trusted {
        let scheme = header.read(headers)?;
        match told {
            Some((first, other)) if other != scheme => {
                return Err(UnclearScheme::Contradiction {
                    first,
                    other,
                    second: header,
                    scheme,
                });
            }
            _ => told = Some((header, scheme)),
        }
    }
    Ok(told.map(|(_, scheme)| scheme))
}

/// Why a header that was to tell the scheme does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UnclearScheme {
    #[error("the proxy in front of this server does not say the scheme: {0} is missing")]
    Missing(SchemeHeader),
    #[error("{0} comes in two lines: the proxy in front of this server has to replace a client's")]
    Doubled(SchemeHeader),
    #[error("{header} ends in neither http nor https: {value:?}")]
    Unreadable { header: SchemeHeader, value: String },
    #[error("{first} says {other}, {second} says {scheme}")]
    Contradiction {
        first: SchemeHeader,
        other: Scheme,
        second: SchemeHeader,
        scheme: Scheme,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use SchemeHeader::{Forwarded, XForwardedProto};

    fn tell(
        trusted: &[SchemeHeader],
        lines: &[(&'static str, &str)],
    ) -> Result<Option<Scheme>, UnclearScheme> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        told(trusted, &headers)
    }

    #[test]
    fn headers_that_nobody_trusts_tell_nothing() {
        let lines = [("x-forwarded-proto", "https"), ("forwarded", "nonsense")];
        assert_eq!(tell(&[], &lines), Ok(None));
    }

    #[test]
    fn the_last_proxy_is_believed() {
        for (value, scheme) in [
            ("https", Scheme::Https),
            ("HTTPS", Scheme::Https),
            ("http", Scheme::Http),
            ("wss", Scheme::Https),
            ("ws", Scheme::Http),
            ("http, https", Scheme::Https),
            ("nonsense,http ", Scheme::Http),
        ] {
            let lines = [("x-forwarded-proto", value)];
            assert_eq!(
                tell(&[XForwardedProto], &lines),
                Ok(Some(scheme)),
                "{value}"
            );
        }
        let lines = [("forwarded", "proto=http, for=192.0.2.1;proto=https")];
        assert_eq!(tell(&[Forwarded], &lines), Ok(Some(Scheme::Https)));
    }

    #[test]
    fn what_is_missing_malformed_or_doubled_is_an_error_with_its_value() {
        let refused = |lines: &[(&'static str, &str)]| {
            tell(&[XForwardedProto], lines).unwrap_err().to_string()
        };
        for value in ["", "https,", "https http", "ftp", "https;", "\u{e9}"] {
            let refused = refused(&[("x-forwarded-proto", value)]);
            assert!(refused.contains(&format!("{value:?}")), "{refused}");
        }
        let line = ("x-forwarded-proto", "https");
        assert!(refused(&[line, line]).contains("two lines"));
        assert!(refused(&[("forwarded", "proto=https")]).contains("missing"));
    }

    #[test]
    fn two_trusted_headers_have_to_agree() {
        let both = [XForwardedProto, Forwarded];
        let one = ("x-forwarded-proto", "https");
        assert_eq!(
            tell(&both, &[one, ("forwarded", "proto=https")]),
            Ok(Some(Scheme::Https))
        );
        let refused = tell(&both, &[one, ("forwarded", "proto=http")]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "X-Forwarded-Proto says https, Forwarded says http"
        );
        assert!(tell(&both, &[one]).is_err());
    }
}
