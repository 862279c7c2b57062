//! The files of the demo page, which run nothing and load nothing from elsewhere.

use encke::Body;
use http::{
    HeaderValue, Response,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The file at this path, if the demo page has one there.
pub(crate) fn file(path: &str) -> Option<Response<Body>> {
    let (content_type, content) = match path {
        "/" => ("text/html; charset=utf-8", include_str!("page.html")),
        "/demo/page.css" => ("text/css; charset=utf-8", include_str!("page.css")),
        "/demo/page.js" => ("text/javascript; charset=utf-8", include_str!("page.js")),
        "/demo/stream.js" => ("text/javascript; charset=utf-8", include_str!("stream.js")),
        "/favicon.svg" | "/favicon.ico" => ("image/svg+xml", include_str!("favicon.svg")),
        _ => return None,
    };
    let mut response = Response::new(Body::full(content));
    for (name, value) in [
        (CONTENT_TYPE, content_type),
        // A newer program has a newer page.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}
