//! A Content-Security-Policy with a place for the nonce.

use http::HeaderValue;
use thiserror::Error;

use super::CspNonce;

const PLACE: &str = "{nonce}";

#[derive(Clone, Debug)]
pub(super) struct Policy {
    template: Box<str>,
    names_ancestors: bool,
}

/// A Content-Security-Policy that cannot stand in a header.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("policy {0:?} has characters other than printable ASCII")]
pub struct InvalidPolicy(String);

impl Policy {
    pub(super) fn new(policy: &str) -> Result<Self, InvalidPolicy> {
        if !policy.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(InvalidPolicy(policy.into()));
        }
        let mut names = policy
            .split(';')
            .filter_map(|directive| directive.split(' ').find(|word| !word.is_empty()));
        let names_ancestors = names.any(|name| name.eq_ignore_ascii_case("frame-ancestors"));
        Ok(Self {
            template: policy.trim_end_matches([' ', ';']).into(),
            names_ancestors,
        })
    }

    /// The header of one response; without a nonce no nonce matches.
    pub(super) fn header(&self, nonce: Option<&CspNonce>, ancestors: &str) -> HeaderValue {
        let nonce = nonce.map_or("", CspNonce::as_str);
        let mut policy = self.template.replace(PLACE, nonce);
        if !self.names_ancestors {
            let separator = if policy.is_empty() { "" } else { "; " };
            policy.extend([separator, "frame-ancestors ", ancestors]);
        }
        HeaderValue::try_from(policy).expect("printable ASCII, checked by Policy::new")
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            template: "default-src 'self'; script-src 'self' 'nonce-{nonce}'; object-src 'none'; base-uri 'none'".into(),
            names_ancestors: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonce_takes_its_place_and_ancestors_are_added() {
        let nonce = CspNonce::fresh().unwrap();
        let policy = Policy::new("script-src 'nonce-{nonce}'; ").unwrap();
        assert_eq!(
            policy.header(Some(&nonce), "'none'"),
            format!("script-src 'nonce-{nonce}'; frame-ancestors 'none'")
        );
        assert_eq!(
            Policy::new("").unwrap().header(None, "'self'"),
            "frame-ancestors 'self'"
        );
    }

    #[test]
    fn ancestors_of_the_policy_itself_stay() {
        let policy =
            Policy::new("default-src 'none';  Frame-Ancestors https://app.example").unwrap();
        assert_eq!(
            policy.header(None, "'none'"),
            "default-src 'none';  Frame-Ancestors https://app.example"
        );
    }

    #[test]
    fn policy_that_breaks_the_header_is_refused() {
        for policy in ["a\r\nb: c", "é", "\0"] {
            assert_eq!(
                Policy::new(policy).unwrap_err(),
                InvalidPolicy(policy.into())
            );
        }
    }
}
