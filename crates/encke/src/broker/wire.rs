//! Data as engines keep it: a byte for its kind, then the data.

use bytes::Bytes;
use encke_proto::{Data, JsonText};

/// Data in one piece.
pub(crate) fn encode(data: &Data) -> Vec<u8> {
    let (kind, content) = match data {
        Data::Text(text) => (b't', text.as_bytes()),
        Data::Json(json) => (b'j', json.as_str().as_bytes()),
        Data::Bytes(bytes) => (b'b', &bytes[..]),
        other => unreachable!("data of an unknown kind: {other:?}"),
    };
    let mut piece = Vec::with_capacity(1 + content.len());
    piece.push(kind);
    piece.extend_from_slice(content);
    piece
}

/// What [`encode`] made; `None` where it did not: others may write to an engine too.
pub(crate) fn decode(piece: &[u8]) -> Option<Data> {
    let (kind, content) = piece.split_first()?;
    match kind {
        b't' => Some(Data::from(str::from_utf8(content).ok()?)),
        // Checked again: a browser may take what is not JSON for script.
        b'j' => Some(Data::Json(
            JsonText::parse(str::from_utf8(content).ok()?).ok()?,
        )),
        b'b' => Some(Data::Bytes(Bytes::copy_from_slice(content))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        let all = [
            Data::from("kiki"),
            Data::from(""),
            Data::json(&["kiki"]).unwrap(),
            Data::Bytes(Bytes::from_static(b"\0\xff")),
        ];
        for data in all {
            assert_eq!(decode(&encode(&data)), Some(data));
        }
    }

    #[test]
    fn what_others_wrote_is_no_data() {
        for piece in [&b""[..], b"x", b"t\xff", b"j{", b"j</script>"] {
            assert_eq!(decode(piece), None, "{piece:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(piece in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&piece);
        }
    }
}
