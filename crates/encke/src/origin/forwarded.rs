//! What the last proxy says of the scheme in a `Forwarded` header (RFC 7239, 4).

use std::borrow::Cow;

/// The `proto` of the last element; `None` where the header cannot be read, or it has not one.
pub(super) fn last_proto(header: &str) -> Option<Cow<'_, str>> {
    let mut text = Scanner(header);
    loop {
        let proto = text.element()?;
        if text.at_end() {
            return proto;
        }
        if !text.take(',') {
            return None;
        }
    }
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

    /// The `proto` of one element, if it has one.
    fn element(&mut self) -> Option<Option<Cow<'h, str>>> {
        let mut proto = None;
        loop {
            let name = self.token()?;
            let value = self.take('=').then(|| self.value())??;
            // "Each parameter MUST NOT occur more than once per field-value."
            if name.eq_ignore_ascii_case("proto") && proto.replace(value).is_some() {
                return None;
            }
            if !self.take(';') {
                return Some(proto);
            }
        }
    }

    fn token(&mut self) -> Option<&'h str> {
        self.at_end();
        let end = self.0.find(|c| !is_tchar(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    fn value(&mut self) -> Option<Cow<'h, str>> {
        if !self.take('"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut value = String::new();
        let mut chars = self.0.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(chars.next()?),
                c => value.push(c),
            }
        }
        self.0 = chars.as_str();
        Some(Cow::Owned(value))
    }
}

fn is_tchar(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_element_counts() {
        for (header, proto) in [
            ("proto=https", "https"),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "http"),
            (
                "for=192.0.2.43;proto=http, for=198.51.100.17; Proto=https",
                "https",
            ),
            (
                "for=\"[2001:db8::1]:80, proto=http\";proto=\"https\"",
                "https",
            ),
            ("proto=\"ht\\tps\"", "https"),
        ] {
            assert_eq!(last_proto(header).as_deref(), Some(proto), "{header}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        for header in [
            "",
            "for=192.0.2.60",
            "proto=https, for=192.0.2.60",
            "proto=https,",
            "proto=https;",
            "proto=https;proto=https",
            "proto=https;PROTO=http",
            "proto",
            "proto=",
            "proto=\"https",
            "proto=https http",
            "for=[::1]:80;proto=https",
            "\"a\", proto=https",
        ] {
            assert_eq!(last_proto(header), None, "{header}");
        }
    }
}
