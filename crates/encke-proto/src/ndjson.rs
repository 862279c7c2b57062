//! Items as JSON, one a line: `{"channel","epoch","offset","position","data"}`.
//!
//! The item is also the envelope in which the other transports carry several channels.

use crate::{Channel, Data, Gap, Position, Publication};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::{fmt::Write, ops::Range};

/// A sign of life: a line without an item.
pub const KEEP_ALIVE: &[u8] = b"\n";

/// Writes the item of a publication, without the line's end; gives where the token stands in it.
pub fn write_publication(
    channel: &Channel,
    publication: &Publication,
    token: &str,
    out: &mut String,
) -> Range<usize> {
    write_head(channel, publication.position, token, out);
    let token_end = out.len() - "\"".len();
    match &publication.data {
        Data::Text(text) => {
            out.push_str(",\"data\":");
            write_string(text, out);
        }
        Data::Json(json) => {
            out.push_str(",\"data\":");
            out.push_str(json.as_str());
        }
        Data::Bytes(bytes) => {
            out.push_str(",\"base64\":\"");
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
    }
    out.push('}');
    token_end - token.len()..token_end
}

/// Writes the item of a gap, without the line's end.
pub fn write_gap_item(channel: &Channel, gap: &Gap, token: &str, out: &mut String) {
    out.push_str("{\"channel\":");
    write_string(channel.as_str(), out);
    out.push_str(",\"gap\":");
    write_gap(gap, out);
    let _ = write!(out, ",\"position\":\"{token}\"}}");
}

/// Writes `{"epoch","from","to"}`.
pub fn write_gap(gap: &Gap, out: &mut String) {
    let Position { epoch, offset } = gap.to;
    let _ = match gap.from {
        Some(from) => write!(
            out,
            "{{\"epoch\":\"{epoch}\",\"from\":{from},\"to\":{offset}}}"
        ),
        None => write!(
            out,
            "{{\"epoch\":\"{epoch}\",\"from\":null,\"to\":{offset}}}"
        ),
    };
}

/// Writes where a session stands, as an item without data and without the line's end.
///
/// With several channels it is the token alone: that covers them all.
pub fn write_opened(channels: &[Channel], positions: &[Position], token: &str, out: &mut String) {
    if let ([channel], [position]) = (channels, positions) {
        write_head(channel, *position, token, out);
        out.push('}');
    } else {
        let _ = write!(out, "{{\"position\":\"{token}\"}}");
    }
}

/// Writes `{"channel":…,"epoch":…,"offset":…,"position":…`, open at its end.
pub fn write_head(channel: &Channel, position: Position, token: &str, out: &mut String) {
    out.push_str("{\"channel\":");
    write_string(channel.as_str(), out);
    let Position { epoch, offset } = position;
    let _ = write!(
        out,
        ",\"epoch\":\"{epoch}\",\"offset\":{offset},\"position\":\"{token}\""
    );
}

fn write_string(text: &str, out: &mut String) {
    let json = serde_json::to_string(text).expect("a text serialises to a string in memory");
    out.push_str(&json);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Epoch, JsonText};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn item(data: impl Into<Data>) -> String {
        let publication = Publication::new(Position::new(Epoch::new(255), 7), data.into());
        let mut out = String::new();
        write_publication(&Channel::new("a\"b").unwrap(), &publication, "T", &mut out);
        out
    }

    #[test]
    fn items_have_these_bytes() {
        let head = r#"{"channel":"a\"b","epoch":"00000000000000ff","offset":7,"position":"T""#;
        let json = JsonText::parse("{\"n\": 1.00}").unwrap();
        assert_eq!(item("kiki\n"), format!(r#"{head},"data":"kiki\n"}}"#));
        assert_eq!(item(json), format!(r#"{head},"data":{{"n":1.00}}}}"#));
        assert_eq!(item(vec![0xff, 0]), format!(r#"{head},"base64":"/wA="}}"#));
    }

    #[test]
    fn a_gap_is_counted_where_it_can_be() {
        let channel = Channel::new("news").unwrap();
        let to = Position::new(Epoch::new(1), 60);
        let gap_item = |from| {
            let mut out = String::new();
            write_gap_item(&channel, &Gap { from, to }, "T", &mut out);
            serde_json::from_str::<Value>(&out).unwrap()
        };
        let gap = json!({"epoch": "0000000000000001", "from": 58, "to": 60});
        assert_eq!(
            gap_item(Some(58)),
            json!({"channel": "news", "gap": gap, "position": "T"})
        );
        assert_eq!(gap_item(None)["gap"]["from"], Value::Null);
    }

    proptest! {
        #[test]
        fn every_text_is_one_line_and_round_trips(text in any::<String>()) {
            let item = item(text.as_str());
            prop_assert!(!item.contains('\n'));
            let value: Value = serde_json::from_str(&item).unwrap();
            prop_assert_eq!(&value["data"], &Value::String(text));
        }
    }
}
