//! Which pages may listen and speak: their origins, as browsers tell them.

mod forwarded;
mod scheme;
pub use self::scheme::SchemeHeader;
pub(crate) use self::scheme::UnclearScheme;

use self::scheme::Scheme;
use crate::{Body, problem, serve::Peer};
use encke_proto::comet::Origin;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};

/// Origins besides its own that a service lets in, and how it knows its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins {
    allowed: Vec<Origin>,
    /// Who tells the scheme of its own.
    trusted: Vec<SchemeHeader>,
}

/// Where a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sender<'a> {
    /// No page: a program, or a page's navigation.
    Unknown,
    /// A page of this server.
    Own,
    /// A page of an origin that is let in.
    Allowed(&'a Origin),
    /// A page of any other origin.
    Foreign,
    /// A page of this server or one that only looks so, for its scheme is not known.
    Unclear(UnclearScheme),
}

impl Sender<'_> {
    /// Why it may do nothing that the browser would not keep from it.
    pub(crate) fn refusal(&self, foreign: &'static str) -> Option<Response<Body>> {
        match self {
            Self::Unknown | Self::Own | Self::Allowed(_) => None,
            Self::Foreign => Some(problem(StatusCode::FORBIDDEN, foreign)),
            Self::Unclear(error) => Some(problem(StatusCode::FORBIDDEN, error)),
        }
    }
}

impl Origins {
    pub(crate) fn add(&mut self, origin: Origin) {
        self.allowed.push(origin);
    }

    pub(crate) fn trust(&mut self, header: SchemeHeader) {
        if !self.trusted.contains(&header) {
            self.trusted.push(header);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.allowed.is_empty()
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
        let mut allowed = self.allowed.iter();
        if let Some(allowed) = allowed.find(|allowed| allowed.as_str() == origin) {
            return Sender::Allowed(allowed);
        }
        if is_other_site(&request.headers) {
            return Sender::Foreign;
        }
        match self.is_own(origin, request) {
            Ok(true) => Sender::Own,
            Ok(false) => Sender::Foreign,
            Err(unclear) => Sender::Unclear(unclear),
        }
    }

    /// The origin of this text, if its pages may get a Comet socket's messages.
    pub(crate) fn receiver(
        &self,
        origin: &str,
        request: &Parts,
    ) -> Result<Option<Origin>, UnclearScheme> {
        let Ok(receiver) = Origin::new(origin) else {
            return Ok(None);
        };
        let known = self.allowed.contains(&receiver) || self.is_own(origin, request)?;
        Ok(known.then_some(receiver))
    }

    /// Whether this server serves the pages of `origin`, as far as it knows its own scheme.
    fn is_own(&self, origin: &str, request: &Parts) -> Result<bool, UnclearScheme> {
        if !host(request).is_some_and(|host| is_origin_of(origin, host)) {
            return Ok(false);
        }
        let scheme = match scheme::told(&self.trusted, &request.headers)? {
            None if is_secure(request) => Some(Scheme::Https),
            scheme => scheme,
        };
        Ok(scheme.is_none_or(|scheme| scheme.is_of(origin)))
    }

    /// The value of a `frame-ancestors` directive.
    pub(crate) fn frame_ancestors(&self) -> String {
        let mut ancestors = String::from("'self'");
        for origin in &self.allowed {
            ancestors.push(' ');
            ancestors.push_str(origin.as_str());
        }
        ancestors
    }

    /// Tells the browser whether the page may read the response.
    pub(crate) fn allow(&self, sender: &Sender<'_>, headers: &mut HeaderMap) {
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

/// Whether this server speaks TLS itself. If not, a proxy may.
fn is_secure(request: &Parts) -> bool {
    Peer::of(&request.extensions).is_some_and(Peer::is_secure)
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
    fn a_trusted_header_tells_which_scheme_is_its_own() {
        let mut origins = Origins::default();
        origins.trust(SchemeHeader::XForwardedProto);
        let told = |origin, value| {
            let request = request(&[("origin", origin), ("x-forwarded-proto", value)]);
            origins.sender(&request)
        };
        for (own, foreign, told_as) in [
            (
                "https://app.example:8080",
                "http://app.example:8080",
                "https",
            ),
            (
                "http://app.example:8080",
                "https://app.example:8080",
                "http",
            ),
        ] {
            assert_eq!(told(own, told_as), Sender::Own, "{told_as}");
            assert_eq!(told(foreign, told_as), Sender::Foreign, "{told_as}");
        }
        assert_eq!(told("https://evil.example", "https"), Sender::Foreign);
        assert_eq!(told("https://evil.example", "nonsense"), Sender::Foreign);
        let unclear = told("https://app.example:8080", "nonsense");
        assert!(matches!(unclear, Sender::Unclear(_)), "{unclear:?}");
    }

    #[test]
    fn a_header_that_is_not_trusted_changes_nothing() {
        let request = request(&[
            ("origin", "http://app.example:8080"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "nonsense"),
        ]);
        assert_eq!(Origins::default().sender(&request), Sender::Own);
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
