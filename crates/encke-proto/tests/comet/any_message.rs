//! What holds for every message, callback and nonce.

use super::document::{Script, parse};
use encke_proto::comet::{Call, Callback, Nonce, Prelude, SafeExpression};
use encke_proto::fuzz::javascript;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

/// Texts made of what parsers stumble over.
fn text() -> impl Strategy<Value = String> {
    const PIECES: [&str; 24] = [
        "</script>",
        "</SCRIPT ",
        "<script>",
        "<!--",
        "-->",
        "--!>",
        "]]>",
        "<![CDATA[",
        "<",
        ">",
        "&lt;",
        "&",
        "/",
        "\\",
        "'",
        "\"",
        "\u{2028}",
        "\u{2029}",
        "\0",
        "\r\n",
        "\u{85}",
        "\u{feff}",
        "kiki",
        "😀",
    ];
    let pieces = vec(prop::sample::select(&PIECES[..]), 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![pieces, any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("__proto__".to_owned()),
        Just("constructor".to_owned()),
        text()
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((key.clone(), inner), 0..4).prop_map(|pairs| pairs.into_iter().collect()),
        ]
    })
}

fn callback() -> impl Strategy<Value = Callback> {
    "[A-Za-z_$][A-Za-z0-9_$]{0,8}(\\.[A-Za-z_$][A-Za-z0-9_$]{0,8}){0,2}"
        .prop_filter_map("a reserved word", |callback| Callback::new(&callback).ok())
}

fn nonce() -> impl Strategy<Value = Nonce> {
    "[A-Za-z0-9+/_-]{1,24}={0,2}".prop_map(|nonce| Nonce::new(&nonce).unwrap())
}

fn prelude() -> impl Strategy<Value = Prelude> {
    prop::sample::select(vec![
        Prelude::default(),
        Prelude::play(),
        Prelude::none().tidy(),
    ])
}

proptest! {
    #[test]
    fn every_message_is_one_script_however_the_response_is_cut(
        prelude in prelude(),
        callback in callback(),
        nonce in option::of(nonce()),
        position in option::of("[A-Za-z0-9_-]{1,20}"),
        texts in vec(text(), 0..6),
        values in vec(value(), 0..6),
        piece in 1_usize..200,
    ) {
        let call = Call::new(callback.clone()).nonce(nonce.clone());
        let mut out = Vec::new();
        call.write_prelude(&prelude, position.as_deref(), &mut out);
        let of_prelude = parse([&*out]).len();
        prop_assert!(of_prelude <= 1);

        let mut expected = Vec::new();
        let texts = texts.iter().map(SafeExpression::of);
        for message in texts.chain(values.iter().map(SafeExpression::of)) {
            let message = message.unwrap();
            call.write(&message, &mut out);
            call.write_keep_alive(&mut out);
            let source = str::from_utf8(message.as_bytes()).unwrap();
            expected.extend([format!("{callback}({source});"), String::new()]);
        }

        for scripts in [parse([&*out]), parse(out.chunks(piece))] {
            for Script { nonce: on_script, ended, .. } in &scripts {
                prop_assert!(ended);
                prop_assert_eq!(on_script.as_deref(), nonce.as_ref().map(Nonce::as_str));
            }
            let sources: Vec<_> = scripts[of_prelude..].iter().map(|script| &script.source).collect();
            prop_assert_eq!(sources, expected.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_text_has_its_value_in_javascript(text in text()) {
        let message = SafeExpression::string(&text);
        let source = str::from_utf8(message.as_bytes()).unwrap();
        prop_assert_eq!(javascript::string(source), Some(text.encode_utf16().collect()));
    }

    #[test]
    fn every_json_has_its_value_in_javascript(value in value(), pretty in any::<bool>()) {
        let write = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        let json = write(&value).unwrap();
        let message = SafeExpression::json(&json);
        let source = str::from_utf8(message.as_bytes()).unwrap();
        let decoded: Value = serde_json::from_str(&javascript::json(source)).unwrap();
        prop_assert_eq!(decoded, serde_json::from_str::<Value>(&json).unwrap());
    }
}
