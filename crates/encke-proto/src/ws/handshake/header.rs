//! The headers of the handshake, taken apart.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::borrow::Cow;

/// The elements of a header that is a list, over all its lines; those that are no text are left out.
pub(super) fn tokens<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h str> + use<'h> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|token| token.trim_matches([' ', '\t']))
        .filter(|token| !token.is_empty())
}

/// The value of a header that must come once.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// An extension as `Sec-WebSocket-Extensions` names it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ws) struct Extension<'h> {
    pub(in crate::ws) name: &'h str,
    pub(in crate::ws) parameters: Vec<(&'h str, Option<Cow<'h, str>>)>,
}

/// A `Sec-WebSocket-Extensions` that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::ws) struct Unreadable;

/// What `Sec-WebSocket-Extensions` lists, over all its lines.
pub(in crate::ws) fn extensions(headers: &HeaderMap) -> Result<Vec<Extension<'_>>, Unreadable> {
    let mut found = Vec::new();
    for line in headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS) {
        let mut text = Scanner(line.to_str().map_err(|_| Unreadable)?);
        while !text.at_end() {
            if !text.take(',') {
                found.push(text.extension()?);
                if !text.at_end() && !text.take(',') {
                    return Err(Unreadable);
                }
            }
        }
    }
    Ok(found)
}

struct Scanner<'h>(&'h str);

impl<'h> Scanner<'h> {
    fn at_end(&mut self) -> bool {
        self.0 = self.0.trim_start_matches([' ', '\t']);
        self.0.is_empty()
    }

    fn take(&mut self, c: char) -> bool {
        self.at_end();
        let rest = self.0.strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn extension(&mut self) -> Result<Extension<'h>, Unreadable> {
        let name = self.token()?;
        let mut parameters = Vec::new();
        while self.take(';') {
            let name = self.token()?;
            let value = if self.take('=') {
                Some(self.value()?)
            } else {
                None
            };
            parameters.push((name, value));
        }
        Ok(Extension { name, parameters })
    }

    fn token(&mut self) -> Result<&'h str, Unreadable> {
        self.at_end();
        let end = self.0.find(|c| !is_tchar(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token).ok_or(Unreadable)
    }

    /// "the value after quoted-string unescaping MUST conform to the 'token'" (RFC 6455, 9.1).
    fn value(&mut self) -> Result<Cow<'h, str>, Unreadable> {
        if !self.take('"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next() {
                Some('"') => break,
                Some('\\') => value.extend(chars.next()),
                Some(c) => value.push(c),
                None => return Err(Unreadable),
            }
        }
        self.0 = chars.as_str();
        if is_token(&value) {
            Ok(Cow::Owned(value))
        } else {
            Err(Unreadable)
        }
    }
}

pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_tchar)
}

fn is_tchar(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
