//! JavaScript literals that cannot leave their script element.
//!
//! No `<`, `>` or `&`, no line separator, byte order mark or control character is ever written, so
//! neither the HTML parser nor an old JavaScript engine sees anything but the inside of a literal.

/// Literals nested deeper than this are left to `JSON.parse`, which needs no stack in the browser;
/// literals fail from about 2,000 levels on.
const MAX_DEPTH: usize = 256;

/// Writes `text` as a JavaScript string literal in single quotes.
///
/// ```
/// let mut out = Vec::new();
/// encke_proto::comet::write_string("</script>", &mut out);
/// assert_eq!(out, br"'\u003c\/script\u003e'");
/// ```
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'\'');
    write_escaped(text, out, |c| {
        matches!(c, '\'' | '"' | '\\' | '/') || leaves_literal(c)
    });
    out.push(b'\'');
}

/// Writes JSON text as a JavaScript expression of the same value.
///
/// White space between tokens is dropped, numbers keep their digits, and a key `__proto__` becomes
/// a computed key, because in a plain object literal it would set the prototype instead.
/// `json` must be JSON. Of anything else the result may be a syntax error in the browser, but it
/// calls nothing and stays inside its script element.
///
/// ```
/// let mut out = Vec::new();
/// encke_proto::comet::write_json(r#"{ "__proto__": "<" }"#, &mut out);
/// assert_eq!(out, br#"{["__proto__"]:"\u003c"}"#);
/// ```
pub fn write_json(json: &str, out: &mut Vec<u8>) {
    let start = out.len();
    let mut depth = 0_usize;
    let mut rest = json;
    while let Some(&byte) = rest.as_bytes().first() {
        if byte == b'"' {
            let (content, after) = split_string(&rest[1..]);
            let is_key = after.trim_ascii_start().starts_with(':');
            write_json_string(content, is_key, out);
            rest = after;
            continue;
        }
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            out.truncate(start);
            out.extend_from_slice(b"JSON.parse(");
            write_string(json, out);
            out.push(b')');
            return;
        }
        if is_json_token(byte) {
            out.push(byte);
        }
        let width = rest.chars().next().map_or(1, char::len_utf8);
        rest = &rest[width..];
    }
}

fn is_json_token(byte: u8) -> bool {
    matches!(
        byte,
        b'{' | b'}' | b'[' | b']' | b',' | b':' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E'
    )
}

/// Splits after the opening quote into the content of the string and what follows its end.
fn split_string(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

fn write_json_string(content: &str, is_key: bool, out: &mut Vec<u8>) {
    if is_key && decodes_to_proto(content) {
        out.extend_from_slice(br#"["__proto__"]"#);
        return;
    }
    out.push(b'"');
    write_escaped(content, out, leaves_literal);
    out.push(b'"');
}

/// Whether the key means `__proto__`, some of its characters perhaps written as `\u005f`.
fn decodes_to_proto(key: &str) -> bool {
    const NAME: &str = "__proto__";
    if !key.contains('\\') {
        return key == NAME;
    }
    let mut rest = key;
    for expected in NAME.chars() {
        let (decoded, width) = match rest.strip_prefix("\\u").and_then(|digits| digits.get(..4)) {
            Some(digits) => (
                u32::from_str_radix(digits, 16)
                    .ok()
                    .and_then(char::from_u32),
                6,
            ),
            None => (rest.chars().next(), 1),
        };
        if decoded != Some(expected) {
            return false;
        }
        rest = &rest[width..];
    }
    rest.is_empty()
}

fn write_escaped(text: &str, out: &mut Vec<u8>, needs_escape: impl Fn(char) -> bool) {
    let mut rest = text;
    while let Some((at, character)) = rest.char_indices().find(|&(_, c)| needs_escape(c)) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        write_escape(character, out);
        rest = &rest[at + character.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
}

/// What could end the element, open a comment in it, or be lost or break the literal on its way.
fn leaves_literal(character: char) -> bool {
    matches!(
        character,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{feff}'
    ) || character.is_control()
}

fn write_escape(character: char, out: &mut Vec<u8>) {
    match character {
        '\'' | '"' | '\\' | '/' => out.extend_from_slice(&[b'\\', character as u8]),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\r' => out.extend_from_slice(b"\\r"),
        _ => out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes()),
    }
}
