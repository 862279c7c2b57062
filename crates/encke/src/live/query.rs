//! The query string of a request, decoded without guessing.

use percent_encoding::percent_decode;
use std::borrow::Cow;

/// The values of one parameter, in order.
pub(super) fn values<'a>(query: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, [u8]>> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(move |(key, _)| *decode(key) == *name.as_bytes())
        .map(|(_, value)| decode(value))
}

/// The first value of one parameter; `Err` where it is not UTF-8.
pub(super) fn text<'a>(query: &'a str, name: &'a str) -> Option<Result<String, NotUtf8>> {
    values(query, name)
        .next()
        .map(|value| String::from_utf8(value.into_owned()).map_err(|_| NotUtf8))
}

/// A value that is not UTF-8 once percent-decoded.
#[derive(Debug, thiserror::Error)]
#[error("not UTF-8 once percent-decoded")]
pub(super) struct NotUtf8;

fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return percent_decode(text.as_bytes()).into();
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode(spaced.as_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_decoded_and_in_order() {
        let query = "channel=a+b&x=1&&ch%61nnel=%C3%A9&channel&channel=%ff";
        let values: Vec<_> = values(query, "channel").map(Cow::into_owned).collect();
        assert_eq!(values, [&b"a b"[..], "é".as_bytes(), b"", b"\xff"]);
        assert!(text(query, "x").unwrap().is_ok());
        assert!(text("x=%ff", "x").unwrap().is_err());
        assert!(text(query, "y").is_none());
    }
}
