//! What must hold for every input of the encoders: the bodies of the fuzz targets.

pub mod event_stream;
pub mod javascript;
pub mod websocket;

use crate::comet::{Call, Callback, Nonce, Origin, SafeExpression};
use crate::sse::Event;
use crate::{Channel, Data, Epoch, JsonText, Position, Publication, ndjson};
use base64::{Engine, engine::general_purpose::STANDARD};
use event_stream::Reader;
use serde_json::Value;

/// A Comet call means what was sent and does not leave its script element.
pub fn comet(input: &[u8]) {
    let text = String::from_utf8_lossy(input);

    let string = SafeExpression::string(&text);
    let source = inert(&string);
    assert_eq!(
        javascript::string(source),
        Some(text.encode_utf16().collect())
    );

    let json = SafeExpression::json(&text);
    let source = inert(&json);
    if let Ok(value) = serde_json::from_str::<Value>(&text) {
        let decoded = serde_json::from_str::<Value>(&javascript::json(source));
        assert_eq!(decoded.ok(), Some(value));
    }

    let nonce = Nonce::new(&text).ok();
    let callback = Callback::new(&text).map(Call::new);
    let post = Origin::new(&text).map(Call::post);
    let fallback = Call::post(Origin::new("http://a").expect("is an origin"));
    for call in callback.into_iter().chain(post).chain([fallback]) {
        let mut out = Vec::new();
        call.nonce(nonce.clone()).write(&string, &mut out);
        let element = str::from_utf8(&out).expect("written from texts");
        assert!(element.starts_with("<script") && element.ends_with("</script>"));
        assert_eq!(element.matches('<').count(), 2);
        assert_eq!(element.matches('>').count(), 2);
    }
}

/// The source of an expression in which neither HTML nor a line of JavaScript can end.
fn inert(expression: &SafeExpression) -> &str {
    let source = str::from_utf8(expression.as_bytes()).expect("written from texts");
    let ends = |c: char| {
        c.is_control() || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{feff}')
    };
    assert!(!source.contains(ends), "{source:?}");
    source
}

/// An event is read as it was built, however the stream is cut.
pub fn sse(input: &[u8]) {
    let (cut, text) = input
        .split_first()
        .map_or((0, input), |(cut, text)| (usize::from(*cut), text));
    let text = String::from_utf8_lossy(text);
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");

    let mut event = Event::new().data(&*text).comment(&*text);
    let mut id = String::new();
    let mut name = String::new();
    if let Ok(with_id) = event.clone().id(&*text) {
        (event, id) = (with_id, text.to_string());
    }
    if let Ok(with_name) = event.clone().event(&*text) {
        (event, name) = (with_name, text.to_string());
    }
    let mut out = Vec::new();
    event.write(&mut out);
    Event::new().data("next").write(&mut out);

    let (before, after) = out.split_at(cut.min(out.len()));
    let mut reader = Reader::default();
    reader.read(before);
    reader.read(after);
    assert_eq!(reader.comments.join("\n"), lines);
    let [first, second] = &reader.messages[..] else {
        panic!("two events were sent, these arrived: {:?}", reader.messages)
    };
    assert_eq!((&first.data, &first.event, &first.id), (&lines, &name, &id));
    assert_eq!(
        (second.data.as_str(), second.event.as_str(), &second.id),
        ("next", "", &id)
    );
}

/// An item is one line of JSON that holds what was published.
pub fn ndjson(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let channel = Channel::new(&text).unwrap_or_else(|_| Channel::new("news").expect("is a name"));
    let item = |data: Data| {
        let position = Position::new(Epoch::new(1), 7);
        let mut line = String::new();
        ndjson::write_publication(&channel, &Publication::new(position, data), "T", &mut line);
        assert!(!line.contains(|c| c < ' '), "{line:?}");
        let item: Value = serde_json::from_str(&line).expect("an item is JSON");
        assert_eq!(item["channel"], channel.as_str());
        item
    };
    assert_eq!(item(Data::from(&*text))["data"], *text);
    assert_eq!(
        item(Data::from(input.to_vec()))["base64"],
        STANDARD.encode(input)
    );
    if let (Ok(json), Ok(value)) = (JsonText::parse(&text), serde_json::from_str::<Value>(&text)) {
        assert_eq!(item(Data::from(json))["data"], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: [&str; 31] = [
        "</script>",
        "<!--<script>",
        "-->",
        "]]>",
        "\u{2028}\u{2029}",
        "\0",
        "\\",
        "'",
        "\"",
        "\r\n\r\n",
        "a\n\n\rb\n",
        "\u{feff}",
        "\u{7f}\u{80}\u{9f}",
        "\u{fffe}\u{10ffff}😀",
        " leading",
        "data: x",
        ":",
        r#"{"__proto__": {"a": "</script>"}}"#,
        r#"{"\u005f_proto__": 1, "\u005F\u005fproto_\u005f": 2}"#,
        r#"{"constructor": "\u2028<\u0000", "a": ["__proto__", "__proto__:"]}"#,
        r#"["\\", "\"", "\\\"", "\/<", "\ud800", "\ud83d\ude00"]"#,
        "[1e400, -0, -0.0, 1.0, 12345678901234567890123, 1E+2]",
        "\"unterminated",
        "\"unterminated\\",
        "alert(1)",
        "parent.cometMessage",
        "https://app.example",
        "YWJj==",
        "[[",
        "{\"a\"\u{a0}:1}",
        "\u{b}\u{c}\u{8}\t",
    ];

    #[test]
    fn nasty_inputs_keep_the_rules_of_comet() {
        NASTY.iter().for_each(|input| comet(input.as_bytes()));
        comet(&[0xff, 0xc2, b'<']);
        comet(format!("{}{}", "[".repeat(300), "]".repeat(300)).as_bytes());
    }

    #[test]
    fn nasty_inputs_keep_the_rules_of_event_streams() {
        for input in NASTY {
            for cut in 0..64 {
                sse(&[&[cut], input.as_bytes()].concat());
            }
        }
        sse(&[]);
        sse(&[9, 0xff, 0xc2, b'\r', b'\n']);
    }

    #[test]
    fn nasty_inputs_keep_the_rules_of_ndjson() {
        NASTY.iter().for_each(|input| ndjson(input.as_bytes()));
        ndjson(&[0xff, b'\n', 0]);
    }
}
