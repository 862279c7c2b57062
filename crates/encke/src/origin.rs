//! Which pages may listen and speak: their origins, as browsers tell them.

use crate::serve::Peer;
use encke_proto::comet::Origin;
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use std::sync::Arc;

/// Origins besides its own that a service lets in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(Vec<Origin>);

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sender<'a> {
    /// No page: a program, or a page's navigation.
    Unknown,
    /// A page of this server.
    Own,
    /// A page of an origin that is let in.
    Allowed(&'a Origin),
    /// A page of any other origin.
    Foreign,
}

impl Origins {
    pub(crate) fn add(&mut self, origin: Origin) {
        self.0.push(origin);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Who sent this request, by its `Origin`, or by its `Sec-Fetch-Site` where it has none.
    pub(crate) fn sender(&self, request: &Parts) -> Sender<'_> {
        let headers = &request.headers;
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) if is_other_site(headers) => Sender::Foreign,
            (None, _) => Sender::Unknown,
            (Some(origin), None) => self.classify(origin, request),
            (Some(_), Some(_)) => Sender::Foreign,
        }
    }

    fn classify(&self, origin: &HeaderValue, request: &Parts) -> Sender<'_> {
        let Ok(origin) = origin.to_str() else {
            return Sender::Foreign;
        };
        if let Some(allowed) = self.0.iter().find(|allowed| allowed.as_str() == origin) {
            return Sender::Allowed(allowed);
        }
        match host(request) {
            Some(host) if is_own(origin, host, request) && !is_other_site(&request.headers) => {
                Sender::Own
            }
            _ => Sender::Foreign,
        }
    }

    /// The origin of this text, if its pages may get a Comet socket's messages.
    pub(crate) fn receiver(&self, origin: &str, request: &Parts) -> Option<Origin> {
        let own = host(request).is_some_and(|host| is_own(origin, host, request));
        let origin = Origin::new(origin).ok()?;
        (own || self.0.contains(&origin)).then_some(origin)
    }

    /// The value of a `frame-ancestors` directive.
    pub(crate) fn frame_ancestors(&self) -> String {
        let mut ancestors = String::from("'self'");
        for origin in &self.0 {
            ancestors.push(' ');
            ancestors.push_str(origin.as_str());
        }
        ancestors
    }

    /// Tells the browser whether the page may read the response.
    pub(crate) fn allow(&self, sender: Sender<'_>, headers: &mut HeaderMap) {
        if self.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Sender::Allowed(origin) = sender
            && let Ok(origin) = HeaderValue::from_str(origin.as_str())
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }
}

pub(crate) static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn is_other_site(headers: &HeaderMap) -> bool {
    headers
        .get(&SEC_FETCH_SITE)
        .is_some_and(|site| site != "same-origin" && site != "none")
}

/// The host a request was sent to, with its port.
fn host(request: &Parts) -> Option<&str> {
    let authority = request.uri.authority().map(|authority| authority.as_str());
    authority.or_else(|| request.headers.get(header::HOST)?.to_str().ok())
}

/// Whether this server serves the pages of `origin`. Behind a proxy that ends TLS it does not know
/// its own scheme; where it speaks TLS itself, pages without are not its own.
fn is_own(origin: &str, host: &str, request: &Parts) -> bool {
    let peer = request.extensions.get::<Arc<Peer>>();
    let secure = peer.is_some_and(|peer| peer.is_secure());
    (!secure || origin.starts_with("https://")) && is_origin_of(origin, host)
}

/// Whether a page of `origin` was served by `host`, by whatever scheme.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let (authority, default_port) = match origin.split_once("://") {
        Some(("https", authority)) => (authority, ":443"),
        Some(("http", authority)) => (authority, ":80"),
        _ => return false,
    };
    let without_default = |authority: &str| {
        let authority = authority.to_ascii_lowercase();
        authority
            .strip_suffix(default_port)
            .map_or_else(|| authority.clone(), str::to_owned)
    };
    without_default(authority) == without_default(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn request(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().header("host", "app.example:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_its_own_and_named_origins_are_known() {
        let mut origins = Origins::default();
        let allowed = Origin::new("https://pages.example").unwrap();
        origins.add(allowed.clone());
        for (origin, sender) in [
            ("http://app.example:8080", Sender::Own),
            ("https://app.example:8080", Sender::Own),
            ("https://pages.example", Sender::Allowed(&allowed)),
            ("https://pages.example.evil.test", Sender::Foreign),
            ("http://app.example", Sender::Foreign),
            ("http://app.example:80801", Sender::Foreign),
            ("http://xapp.example:8080", Sender::Foreign),
            ("null", Sender::Foreign),
            ("", Sender::Foreign),
        ] {
            let request = request(&[("origin", origin)]);
            assert_eq!(origins.sender(&request), sender, "{origin}");
        }
    }

    #[test]
    fn two_origins_are_nobodys() {
        let own = ("origin", "http://app.example:8080");
        assert_eq!(
            Origins::default().sender(&request(&[own, own])),
            Sender::Foreign
        );
    }

    #[test]
    fn a_browser_without_origin_is_judged_by_sec_fetch_site() {
        for (site, sender) in [
            ("same-origin", Sender::Unknown),
            ("none", Sender::Unknown),
            ("same-site", Sender::Foreign),
            ("cross-site", Sender::Foreign),
        ] {
            let request = request(&[("sec-fetch-site", site)]);
            assert_eq!(Origins::default().sender(&request), sender, "{site}");
        }
    }

    #[test]
    fn default_ports_do_not_matter() {
        assert!(is_origin_of("https://app.example", "app.example:443"));
        assert!(is_origin_of("http://app.example:80", "App.example"));
        assert!(!is_origin_of("http://app.example", "app.example:443"));
    }
}
