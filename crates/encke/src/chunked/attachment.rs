//! `Content-Disposition` for a file to be saved, safe for any name (RFC 6266, RFC 8187).

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but `attr-char`. (RFC 8187, 3.2.1)
const NOT_ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The name twice where it is not plain: for old clients with `_` in place of what they might
/// misread, then exactly.
pub(super) fn disposition(file_name: &str) -> HeaderValue {
    let plain: String = file_name
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != file_name {
        value.push_str("; filename*=UTF-8''");
        value.extend(utf8_percent_encode(file_name, NOT_ATTR_CHAR));
    }
    HeaderValue::try_from(value).expect("printable ASCII only")
}

/// Read alike by every client inside of a quoted string: `%` and `\` are not. (RFC 6266, D)
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%' | '/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_name_is_quoted() {
        assert_eq!(
            disposition("kiki 1.txt"),
            "attachment; filename=\"kiki 1.txt\""
        );
    }

    #[test]
    fn other_scripts_come_in_full_beside_a_plain_name() {
        assert_eq!(
            disposition("naïve €.txt"),
            "attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt"
        );
    }

    #[test]
    fn no_name_leaves_its_quotes_or_its_line() {
        assert_eq!(
            disposition("a\"; x=\"\r\nSet-Cookie: b"),
            "attachment; filename=\"a_; x=___Set-Cookie: b\"; \
             filename*=UTF-8''a%22%3B%20x%3D%22%0D%0ASet-Cookie%3A%20b"
        );
    }
}
