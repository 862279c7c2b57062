//! The headers that keep a page from being framed, sniffed or injected into.

mod nonce;
mod policy;
mod service;

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS},
};

use self::policy::Policy;
pub use self::{
    nonce::{CspNonce, MissingNonce},
    policy::InvalidPolicy,
    service::{SecurityHeadersFuture, SecurityHeadersService},
};

/// A layer that gives every response its security headers, and every request a fresh nonce.
///
/// | header | value |
/// |---|---|
/// | `X-Content-Type-Options` | `nosniff` |
/// | `Referrer-Policy` | `strict-origin-when-cross-origin` |
/// | `X-Frame-Options` | `DENY`, or `SAMEORIGIN` for a [`SameOriginFrame`] |
/// | `Content-Security-Policy` | see [`content_security_policy`](Self::content_security_policy) |
///
/// A header that the handler set itself stays as it is. The nonce is among the request's
/// extensions as [`CspNonce`], which with axum is an extractor:
///
/// ```
/// use axum::{Router, routing::get};
/// use encke::{BadRequest, Comet, CspNonce, SecurityHeaders};
///
/// async fn comet(nonce: CspNonce) -> Result<Comet, BadRequest> {
///     let messages = futures_util::stream::iter(["kiki", "foo", "bar"]);
///     Ok(Comet::new("parent.cometMessage")?.string(messages).nonce(nonce))
/// }
///
/// let app = Router::<()>::new().route("/comet", get(comet)).layer(SecurityHeaders::default());
/// # let _ = app;
/// ```
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is applied"]
pub struct SecurityHeaders {
    referrer_policy: HeaderValue,
    policy: Option<Policy>,
}

/// Marks a response, among its extensions, as one that pages of the same origin may frame.
///
/// [`Comet`](crate::Comet) is marked already.
///
/// ```
/// use axum::{Extension, response::{Html, IntoResponse}};
///
/// async fn widget() -> impl IntoResponse {
///     (Extension(encke::SameOriginFrame), Html("<p>kiki</p>"))
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SameOriginFrame;

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self {
            referrer_policy: HeaderValue::from_static("strict-origin-when-cross-origin"),
            policy: Some(Policy::default()),
        }
    }
}

impl SecurityHeaders {
    /// Sends this `Content-Security-Policy`, with the response's nonce where it says `{nonce}`.
    ///
    /// Default: `default-src 'self'; script-src 'self' 'nonce-{nonce}'; object-src 'none';
    /// base-uri 'none'`. Where a policy has no `frame-ancestors`, they are added: `'none'`, or
    /// `'self'` for a [`SameOriginFrame`].
    ///
    /// # Errors
    ///
    /// When `policy` cannot stand in a header.
    pub fn content_security_policy(mut self, policy: &str) -> Result<Self, InvalidPolicy> {
        self.policy = Some(Policy::new(policy)?);
        Ok(self)
    }

    /// Sends no `Content-Security-Policy`: framing is left to `X-Frame-Options`.
    pub fn no_content_security_policy(mut self) -> Self {
        self.policy = None;
        self
    }

    /// Sends this `Referrer-Policy`.
    ///
    /// Default: `strict-origin-when-cross-origin`.
    pub fn referrer_policy(mut self, policy: HeaderValue) -> Self {
        self.referrer_policy = policy;
        self
    }

    fn apply(&self, nonce: Option<&CspNonce>, extensions: &Extensions, headers: &mut HeaderMap) {
        let (frame_options, ancestors) = match extensions.get::<SameOriginFrame>() {
            Some(SameOriginFrame) => ("SAMEORIGIN", "'self'"),
            None => ("DENY", "'none'"),
        };
        let mut set = |name: HeaderName, value| {
            headers.entry(name).or_insert(value);
        };
        set(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        set(REFERRER_POLICY, self.referrer_policy.clone());
        set(X_FRAME_OPTIONS, HeaderValue::from_static(frame_options));
        if let Some(policy) = &self.policy {
            set(CONTENT_SECURITY_POLICY, policy.header(nonce, ancestors));
        }
    }
}
