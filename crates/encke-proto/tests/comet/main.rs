//! Comet sockets as a browser's parser sees them: nothing but the scripts that were sent.

mod any_message;
mod document;

use document::parse;
use encke_proto::comet::{
    Call, Callback, CometMessage, Expression, Json, MessageError, Nonce, Prelude, SafeExpression,
};
use encke_proto::fuzz::javascript;
use serde_json::json;

fn script_of(message: &SafeExpression) -> String {
    format!(
        "parent.cometMessage({});",
        str::from_utf8(message.as_bytes()).unwrap()
    )
}

/// A session that sends the messages, as the bytes of its response.
fn response(prelude: &Prelude, call: &Call, messages: &[SafeExpression]) -> Vec<u8> {
    let mut out = Vec::new();
    call.write_prelude(prelude, None, &mut out);
    messages
        .iter()
        .for_each(|message| call.write(message, &mut out));
    out
}

fn scripts_of(messages: &[SafeExpression]) -> Vec<String> {
    let call = Call::new(Callback::new("parent.cometMessage").unwrap());
    let out = response(&Prelude::play(), &call, messages);
    parse([&*out])
        .into_iter()
        .map(|script| script.source)
        .collect()
}

#[test]
fn one_message_cannot_wedge_the_next() {
    let messages = [
        "</script><img src=x onerror=alert(1)>",
        "<!--<script>",
        "]]>",
        "kiki",
    ];
    let messages = messages.map(SafeExpression::string);
    assert_eq!(scripts_of(&messages), messages.each_ref().map(script_of));
    let messages = [
        json!("</script>"),
        json!({"<!--<script>": "-->"}),
        json!(["kiki"]),
    ];
    let messages = messages.map(|message| SafeExpression::of(&message).unwrap());
    assert_eq!(scripts_of(&messages), messages.each_ref().map(script_of));
}

#[test]
fn ordinary_messages_have_the_bytes_of_play() {
    let messages = [
        SafeExpression::string("kiki"),
        SafeExpression::string("it's \"1/2\" \\ \u{8}\t\n\u{c}\r é 😀"),
        SafeExpression::json(r#"{ "key": [1, 2.50, true, null, "a/b é"] }"#),
    ];
    let call = Call::new(Callback::new("parent.cometMessage").unwrap());
    let expected = [
        &" ".repeat(5120),
        "<html><body>",
        "<script>parent.cometMessage('kiki');</script>",
        r#"<script>parent.cometMessage('it\'s \"1\/2\" \\ \b\t\n\f\r é 😀');</script>"#,
        r#"<script>parent.cometMessage({"key":[1,2.50,true,null,"a/b é"]});</script>"#,
    ];
    let out = response(&Prelude::play(), &call, &messages);
    assert_eq!(String::from_utf8(out).unwrap(), expected.concat());
}

#[test]
fn prelude_is_padding_script_and_body_unless_told_otherwise() {
    let written = |prelude: &Prelude, position: Option<&str>| {
        let mut out = Vec::new();
        prelude.write(Some(&Nonce::new("n").unwrap()), position, &mut out);
        String::from_utf8(out).unwrap()
    };
    let default = written(&Prelude::default(), None);
    let script = default.strip_prefix(&" ".repeat(5120)).unwrap();
    assert!(
        script.starts_with("<script nonce=\"n\">new MutationObserver("),
        "{script}"
    );
    assert!(script.ends_with("</script><html><body>"), "{script}");

    assert_eq!(written(&Prelude::play(), None).len(), 5132);
    assert_eq!(written(&Prelude::none(), None), "");
    assert_eq!(
        written(&Prelude::custom("<!doctype html>"), None),
        "<!doctype html>"
    );
    assert_eq!(
        written(&Prelude::play().padding(1), Some("p'</script>")),
        " <script nonce=\"n\">window.encke={position:'p\\'\\u003c\\/script\\u003e'};</script><html><body>"
    );
}

#[test]
fn numbers_keep_their_digits_and_keys_their_meaning() {
    let written =
        |json: &str| String::from_utf8(SafeExpression::json(json).as_bytes().to_vec()).unwrap();
    let numbers = "[1e400,-0,-0.0,1.0,12345678901234567890123,1E+2]";
    assert_eq!(written(numbers), numbers);
    assert_eq!(written(r#"{"\u005F_proto__" : 1}"#), r#"{["__proto__"]:1}"#);
    let others = r#"{"\u005f_proto__x":1,"\u005f_prot":2,"\u005":3,"é\u005f":4}"#;
    assert_eq!(written(others), others);
    assert_eq!(
        written(r#"{"constructor":{},"proto":"__proto__"}"#),
        r#"{"constructor":{},"proto":"__proto__"}"#
    );
    assert_eq!(written(r#""\ud800\u2028""#), r#""\ud800\u2028""#);
    assert_eq!(
        written("\"\u{feff}\u{2028}\u{7f}\u{9f}\""),
        "\"\\ufeff\\u2028\\u007f\\u009f\""
    );
}

#[test]
fn deep_nesting_does_not_need_the_stack_of_the_browser() {
    let nested = |depth| {
        format!(
            "{}{{\"__proto__\":1}}{}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let (shallow, deep) = (
        SafeExpression::json(&nested(200)),
        SafeExpression::json(&nested(100_000)),
    );
    assert!(shallow.as_bytes().starts_with(b"[[["));
    assert!(deep.as_bytes().starts_with(b"JSON.parse('[[["));
    assert_eq!(
        javascript::json(str::from_utf8(deep.as_bytes()).unwrap()),
        nested(100_000)
    );
    assert_eq!(scripts_of(std::slice::from_ref(&deep)), [script_of(&deep)]);
}

#[test]
fn failed_message_leaves_nothing_behind() {
    struct Comparing;
    impl CometMessage for Comparing {
        fn write(&self, expression: &mut Expression<'_>) -> Result<(), MessageError> {
            expression.string("a").code("<b")?;
            Ok(())
        }
    }
    let refused = SafeExpression::of(&Comparing).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "code \"<b\" contains `<`, which could end the script element"
    );

    let unserializable = Json(std::collections::HashMap::from([((1, 2), 3)]));
    assert!(matches!(
        SafeExpression::of(&unserializable),
        Err(MessageError::Unwritable(_))
    ));
}

#[test]
fn message_that_writes_nothing_is_undefined() {
    struct Nothing;
    impl CometMessage for Nothing {
        fn write(&self, _: &mut Expression<'_>) -> Result<(), MessageError> {
            Ok(())
        }
    }
    assert_eq!(
        SafeExpression::of(&Nothing).unwrap(),
        SafeExpression::undefined()
    );
}
