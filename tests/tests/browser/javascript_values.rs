//! A value arrives as it was sent, whatever is in it.

use encke::Comet;
use encke_tests::{Browser, in_every_browser};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::pages::forever_iframe;

/// Whether two values are the same all the way down: type, prototype, keys, order, sign of zero.
const SAME: &str = "const same = (a, b) => {
  if (typeof a !== 'object' || a === null || b === null) return Object.is(a, b);
  // The message was made in the iframe, where the prototypes are others.
  const kind = value => Object.prototype.toString.call(value);
  const parent = value => Object.getPrototypeOf(Object.getPrototypeOf(value) ?? value);
  const [keys, others] = [Reflect.ownKeys(a), Reflect.ownKeys(b)];
  return kind(a) === kind(b) && Array.isArray(a) === Array.isArray(b)
    && (parent(a) === null) === (parent(b) === null)
    && keys.length === others.length
    && keys.every((key, index) => key === others[index] && same(a[key], b[key]));
};";

/// Waits for as many messages as there are JSON `texts` and compares them with what JSON means.
async fn assert_received(browser: &Browser, texts: &[String]) {
    browser.wait_for("messages.length", texts.len()).await;
    let differing = format!(
        "{SAME} return arguments[0].filter((text, index) => !same(JSON.parse(text), messages[index]));"
    );
    let differing = browser.run(&differing, &[json!(texts)]).await;
    assert_eq!(differing, json!([]), "these arrived as something else");
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn every_string_arrives_as_it_was_sent() {
    in_every_browser(async |browser| {
        let mut strings: Vec<String> = [
            "",
            "kiki",
            "it's \"quoted\" `too` ${0}",
            "back\\slash \\u0041 \\",
            "</script><script>parent.messages.push('forged')</script>",
            "</SCRIPT ><img src=x onerror=parent.messages.push('forged')>",
            "</script x </script/x",
            "<!--<script>",
            "<!-- <script x <script/x",
            "-->",
            "<![CDATA[ ]]>",
            "&lt;&amp;&#39;&quot;",
            "line\nfeed\r\ncarriage\rreturn\ttab",
            "U+2028 \u{2028} U+2029 \u{2029} NEL \u{85}",
            "NUL \0 BOM \u{feff} \u{fffe} \u{ffff} DEL \u{7f}",
            "\u{202e}right to left\u{202c} e\u{301} \u{1f469}\u{200d}\u{1f680} \u{10ffff}",
        ]
        .map(String::from)
        .into();
        strings.extend((0..0x180).filter_map(char::from_u32).map(String::from));
        strings.push("x".repeat(1 << 20));

        let texts: Vec<String> = strings.iter().map(|text| json!(text).to_string()).collect();
        let (site, sender) = forever_iframe(Comet::string).await;
        browser.open(&site.url("/")).await;
        for string in strings {
            sender.send(string).expect("the response is read");
        }
        assert_received(browser, &texts).await;
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn every_json_value_arrives_as_json_means_it() {
    in_every_browser(async |browser| {
        let texts = [
            "null",
            "true",
            "0",
            "-0",
            "-0.0",
            "1e400",
            "5e-324",
            "0.1",
            "12345678901234567890",
            r#""\ud800 alone, \udc00 too""#,
            r#""\ud83d\ude80""#,
            r#"{"__proto__": 1}"#,
            r#"{"__proto__": {"admin": true}}"#,
            r#"{"a": {"__proto__": null}, "constructor": 2, "toString": 3}"#,
            r#"[{"__proto__": []}, {"\u005f_proto__": 5}]"#,
            r#"{"same": 1, "same": 2}"#,
            r#"{"2": "b", "1": "a", "": 0, "</script>": "<!--<script>"}"#,
            r#"{"</script x": "<!-- <script x"}"#,
            "[[[[[[[[[[]]]]]]]]]]",
            "{\"\u{2028}\": \"\u{2029}\", \"\\u0000\": \"\\u0000\"}",
            "[ 1 ,\n\t2 ]",
        ]
        .map(String::from);
        let (site, sender) = forever_iframe(Comet::json).await;
        browser.open(&site.url("/")).await;
        for text in texts.clone() {
            let value = RawValue::from_string(text).expect("it is JSON");
            sender.send(value).expect("the response is read");
        }
        assert_received(browser, &texts).await;
    });
}

#[test]
#[ignore = "needs browsers: cargo xtask test"]
fn a_difference_would_be_seen() {
    in_every_browser(async |browser| {
        let pairs = [
            ("0", "-0"),
            ("{}", "[]"),
            (r#"{"__proto__": null}"#, "{}"),
            (r#"{"__proto__": 1}"#, r#"{"_proto__": 1}"#),
            (r#"["a"]"#, r#"["b"]"#),
        ];
        for (left, right) in pairs {
            let same =
                format!("{SAME} return same(JSON.parse(arguments[0]), JSON.parse(arguments[1]));");
            let outcome = browser.run(&same, &[json!(left), json!(right)]).await;
            assert_eq!(outcome, Value::Bool(false), "{left} and {right}");
        }
    });
}
