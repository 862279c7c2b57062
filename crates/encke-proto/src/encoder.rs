//! What a session transmits, as bytes of its transport.

use crate::{
    Channel, Channels, Data, Encoded, Framing, Gap, Output, Position, Publication,
    comet::{Call, Details, Prelude, SafeExpression, write_json},
    ndjson, sse, write_token,
    ws::{
        CloseCode, CloseFrame,
        frame::{Head, Opcode},
    },
};
use std::sync::Arc;

/// How bytes look on one kind of connection.
#[derive(Debug, Clone)]
pub enum Transport {
    /// An endless document of script elements.
    Comet(Call),
    /// Server-Sent Events.
    Sse,
    /// A JSON item a line.
    Ndjson,
    /// WebSocket messages of a server.
    WebSocket {
        /// Whether the client takes frames deflated with the largest window.
        deflated: bool,
    },
}

/// Writes what one session transmits.
///
/// What does not depend on the session is shared.
#[derive(Debug, Clone)]
pub struct Encoder {
    transport: Transport,
    envelope: bool,
    channels: Channels,
}

impl Encoder {
    /// An encoder for a session on `channels`, at least one.
    ///
    /// With several channels every item says which one it is of; with one channel only where
    /// `envelope` asks for it, or the transport is NDJSON.
    pub fn new(transport: Transport, envelope: bool, channels: Channels) -> Self {
        Self {
            envelope: envelope || channels.len() > 1,
            transport,
            channels,
        }
    }

    /// The session's channels, in the order of its positions.
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The form in which this session takes publications.
    pub fn framing(&self) -> Framing {
        match self.transport {
            Transport::Comet(_) => Framing::Comet,
            Transport::Sse if self.envelope => Framing::Ndjson,
            Transport::Sse => Framing::Sse,
            Transport::Ndjson => Framing::Ndjson,
            Transport::WebSocket { .. } if self.envelope => Framing::Ndjson,
            Transport::WebSocket { deflated: true } => Framing::DeflatedWebSocket,
            Transport::WebSocket { deflated: false } => Framing::WebSocket,
        }
    }

    /// What this session has before the bytes of a publication, where those are the same for all
    /// sessions on the channel; `None` where it has more of its own.
    pub fn lead(&self) -> Option<Lead<'_>> {
        let alone = self.channels.len() == 1;
        match &self.transport {
            Transport::Ndjson if alone => Some(Lead(None)),
            _ if self.envelope => None,
            Transport::Comet(call) if call.is_callback() => Some(Lead(Some(call))),
            Transport::Comet(_) | Transport::Ndjson => None,
            Transport::Sse | Transport::WebSocket { .. } => Some(Lead(None)),
        }
    }

    /// The text that is this session's own, where there is any.
    ///
    /// Many small texts among what comes and goes keep its memory from being given back; see
    /// [`move_text`](Self::move_text).
    pub fn own_text(&self) -> Option<&str> {
        match &self.transport {
            Transport::Comet(call) => Some(call.text()),
            _ => None,
        }
    }

    /// Has that text in memory shared with other sessions, if `block` has the same from `start` on.
    pub fn move_text(&mut self, block: &Arc<str>, start: usize) {
        if let Transport::Comet(call) = &mut self.transport {
            call.move_text(block, start);
        }
    }

    /// Whether it writes for a WebSocket.
    pub fn is_web_socket(&self) -> bool {
        matches!(self.transport, Transport::WebSocket { .. })
    }

    /// The Close that tells of a gap where there is no other place for it, in a bare WebSocket;
    /// the session ends with it.
    pub fn gap_close(&self, gap: &Gap) -> Option<CloseFrame> {
        let bare = self.is_web_socket() && !self.envelope;
        bare.then(|| {
            let from = gap
                .from
                .map_or_else(|| "?".to_owned(), |from| from.to_string());
            CloseFrame::new(CloseCode::GAP, format!("gap {from}-{}", gap.to.offset))
        })
    }

    /// Writes where the session stands, before anything else.
    pub fn opened(&self, positions: &[Position], out: &mut Output) {
        let token = self.token(positions);
        let out = out.buffer();
        match &self.transport {
            Transport::Comet(call) => {
                call.write_prelude(&Prelude::default(), Some(&token), out);
            }
            // Firefox and WebKit take no id from an event without data, so this one has a line of
            // it, empty, and a name for which nobody listens.
            Transport::Sse => {
                sse::write_token(&token, out);
                out.extend_from_slice(b"event: position\ndata:\n");
                sse::write_end(out);
            }
            Transport::Ndjson => {
                let mut item = String::new();
                ndjson::write_opened(&self.channels, positions, &token, &mut item);
                item.push('\n');
                out.extend_from_slice(item.as_bytes());
            }
            Transport::WebSocket { .. } if self.envelope => {
                let mut item = String::new();
                ndjson::write_opened(&self.channels, positions, &token, &mut item);
                write_frame(Opcode::Text, item.as_bytes(), out);
            }
            Transport::WebSocket { .. } => {}
        }
    }

    /// Writes a publication of the channel with this index.
    ///
    /// `encoded` is the publication in this encoder's [`framing`](Self::framing), `positions` are
    /// those after it.
    pub fn publication(
        &self,
        channel: usize,
        publication: &Publication,
        encoded: &Encoded,
        positions: &[Position],
        out: &mut Output,
    ) {
        if let Some(lead) = self.lead() {
            if !lead.is_empty() {
                let first = out.is_empty();
                let buffer = out.buffer();
                if first {
                    // Of their very size, bytes are handed over without another allocation.
                    buffer.reserve_exact(lead.len() + encoded.len());
                }
                lead.write(buffer);
            }
            return out.share(encoded.bytes().clone());
        }
        match &self.transport {
            Transport::Ndjson => {
                encoded.share_item(&self.token(positions), out);
                out.buffer().push(b'\n');
            }
            Transport::WebSocket { .. } => {
                let token = self.token(positions);
                Head::whole(Opcode::Text, encoded.item_len(&token)).write(out.buffer());
                encoded.share_item(&token, out);
            }
            Transport::Sse => {
                let token = self.token(positions);
                sse::write_token(&token, out.buffer());
                out.buffer().extend_from_slice(b"data: ");
                encoded.share_item(&token, out);
                out.buffer().push(b'\n');
                sse::write_end(out.buffer());
            }
            Transport::Comet(call) => {
                let token = self.token(positions);
                let mut details = Details::at(&token);
                let binary = matches!(publication.data, Data::Bytes(_));
                call.write_open(out.buffer());
                if self.envelope {
                    let channel = &self.channels[channel];
                    write_comet_head(channel, publication.position, &token, out.buffer());
                    let name = if binary { "base64" } else { "data" };
                    let name = format!(",\"{name}\":");
                    out.buffer().extend_from_slice(name.as_bytes());
                    out.share(encoded.expression());
                    out.buffer().push(b'}');
                } else {
                    out.share(encoded.expression());
                    if binary {
                        details = details.base64();
                    }
                }
                call.write_close(&details, out.buffer());
            }
        }
    }

    /// Writes a gap in the channel with this index, unless it is told by
    /// [`gap_close`](Self::gap_close); `positions` are those after it.
    pub fn gap(&self, channel: usize, gap: &Gap, positions: &[Position], out: &mut Output) {
        let token = self.token(positions);
        let mut json = String::new();
        if self.envelope || matches!(self.transport, Transport::Ndjson) {
            ndjson::write_gap_item(&self.channels[channel], gap, &token, &mut json);
        } else {
            ndjson::write_gap(gap, &mut json);
        }
        let out = out.buffer();
        match &self.transport {
            Transport::Ndjson => {
                json.push('\n');
                out.extend_from_slice(json.as_bytes());
            }
            Transport::Sse => {
                if !self.envelope {
                    out.extend_from_slice(b"event: gap\n");
                }
                sse::write_token(&token, out);
                sse::write_data(&json, out);
                sse::write_end(out);
            }
            Transport::Comet(call) => {
                let json = SafeExpression::json(&json);
                let details = Details::at(&token);
                if self.envelope {
                    call.write_with(&json, &details, out);
                } else {
                    call.write_with(&SafeExpression::undefined(), &details.gap(&json), out);
                }
            }
            Transport::WebSocket { .. } if self.envelope => {
                write_frame(Opcode::Text, json.as_bytes(), out);
            }
            Transport::WebSocket { .. } => {}
        }
    }

    /// Writes a sign of life.
    pub fn ping(&self, out: &mut Output) {
        let out = out.buffer();
        match &self.transport {
            Transport::Comet(call) => call.write_keep_alive(out),
            Transport::Sse => out.extend_from_slice(sse::keep_alive()),
            Transport::Ndjson => out.extend_from_slice(ndjson::KEEP_ALIVE),
            Transport::WebSocket { .. } => write_frame(Opcode::Ping, b"", out),
        }
    }

    fn token(&self, positions: &[Position]) -> String {
        let mut token = String::new();
        write_token(
            self.channels.binding(),
            positions.iter().copied(),
            &mut token,
        );
        token
    }
}

/// What stands before the shared bytes of each publication of one session.
#[derive(Debug, Clone, Copy)]
pub struct Lead<'a>(Option<&'a Call>);

impl Lead<'_> {
    /// Whether it is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.map_or(0, Call::open_len)
    }

    /// Writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        if let Some(call) = self.0 {
            call.write_open(out);
        }
    }
}

fn write_frame(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    Head::whole(opcode, payload.len()).write(out);
    out.extend_from_slice(payload);
}

/// Writes the fields of an item before its data, as the beginning of a JavaScript object.
fn write_comet_head(channel: &Channel, position: Position, token: &str, out: &mut Vec<u8>) {
    let mut head = String::new();
    ndjson::write_head(channel, position, token, &mut head);
    head.push('}');
    write_json(&head, out);
    out.pop();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Epoch, JsonText,
        comet::{Callback, Nonce},
    };

    const AT: Position = Position::new(Epoch::new(1), 2);

    fn channels(names: &[&str]) -> Channels {
        let channels = names.iter().map(|name| Channel::new(name).unwrap());
        Channels::new(channels.collect::<Vec<_>>())
    }

    fn comet() -> Transport {
        let call = Call::new(Callback::in_parent("parent.cometMessage").unwrap());
        Transport::Comet(call.nonce(Nonce::from_bytes([0; 16])))
    }

    fn written(write: impl FnOnce(&mut Output)) -> Vec<u8> {
        let mut output = Output::default();
        write(&mut output);
        let mut written = Vec::new();
        while !output.is_empty() {
            written.extend_from_slice(&output.take(usize::MAX));
        }
        written
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn encode_bytes(encoder: &Encoder, data: impl Into<Data>) -> Vec<u8> {
        let publication = Publication::new(AT, data.into());
        let encoded = Encoded::new(encoder.framing(), &encoder.channels()[0], &publication);
        let positions = vec![AT; encoder.channels().len()];
        written(|out| encoder.publication(0, &publication, &encoded, &positions, out))
    }

    fn encode(encoder: &Encoder, data: impl Into<Data>) -> String {
        text(encode_bytes(encoder, data))
    }

    fn gap_bytes(encoder: &Encoder) -> Vec<u8> {
        let positions = vec![AT; encoder.channels().len()];
        let gap = Gap {
            from: Some(1),
            to: AT,
        };
        written(|out| encoder.gap(0, &gap, &positions, out))
    }

    fn gap(encoder: &Encoder) -> String {
        text(gap_bytes(encoder))
    }

    fn opened(encoder: &Encoder) -> String {
        text(written(|out| {
            encoder.opened(&vec![AT; encoder.channels().len()], out)
        }))
    }

    const HEAD: &str = r#"{"channel":"a","epoch":"0000000000000001","offset":2,"position":"#;
    const GAP: &str = r#"{"epoch":"0000000000000001","from":1,"to":2}"#;

    #[test]
    fn one_channel_over_sse_is_the_data_itself() {
        let encoder = Encoder::new(Transport::Sse, false, channels(&["a"]));
        let token = encoder.token(&[AT]);
        assert_eq!(
            opened(&encoder),
            format!("id: {token}\nevent: position\ndata:\n\n")
        );
        assert_eq!(
            encode(&encoder, "a\r\nb"),
            format!("id: {token}\ndata: a\ndata: b\n\n")
        );
        assert_eq!(
            encode(&encoder, vec![0xff]),
            format!("event: binary\nid: {token}\ndata: /w==\n\n")
        );
        assert_eq!(
            gap(&encoder),
            format!("event: gap\nid: {token}\ndata: {GAP}\n\n")
        );
    }

    #[test]
    fn several_channels_come_in_envelopes_with_one_token_over_all() {
        let two = channels(&["a", "b"]);
        let sse = Encoder::new(Transport::Sse, false, two.clone());
        let token = sse.token(&[AT, AT]);
        let item = format!(r#"{HEAD}"{token}","data":"x"}}"#);
        assert_eq!(encode(&sse, "x"), format!("id: {token}\ndata: {item}\n\n"));
        let missing = format!(r#"{{"channel":"a","gap":{GAP},"position":"{token}"}}"#);
        assert_eq!(gap(&sse), format!("id: {token}\ndata: {missing}\n\n"));

        let ndjson = Encoder::new(Transport::Ndjson, false, two.clone());
        assert_eq!(encode(&ndjson, "x"), format!("{item}\n"));
        assert_eq!(gap(&ndjson), format!("{missing}\n"));
        assert_eq!(opened(&ndjson), format!("{{\"position\":\"{token}\"}}\n"));
    }

    #[test]
    fn a_bare_web_socket_has_the_data_and_closes_at_a_gap() {
        let encoder = Encoder::new(
            Transport::WebSocket { deflated: false },
            false,
            channels(&["a"]),
        );
        assert_eq!(opened(&encoder), "");
        assert_eq!(encode_bytes(&encoder, "kiki"), b"\x81\x04kiki");
        assert_eq!(encode_bytes(&encoder, vec![0xff]), b"\x82\x01\xff");
        let close = |from| encoder.gap_close(&Gap { from, to: AT }).unwrap();
        assert_eq!(close(Some(1)), CloseFrame::new(CloseCode::GAP, "gap 1-2"));
        assert_eq!(close(None).reason(), "gap ?-2");
    }

    #[test]
    fn web_socket_envelopes_are_text_frames_of_their_very_length() {
        for names in [&["a"][..], &["a", "b"]] {
            let encoder = Encoder::new(
                Transport::WebSocket { deflated: false },
                true,
                channels(names),
            );
            let token = encoder.token(&vec![AT; names.len()]);
            for text in ["x", &"x".repeat(70_000)] {
                let item = format!(r#"{HEAD}"{token}","data":"{text}"}}"#);
                let mut expected = Vec::new();
                write_frame(Opcode::Text, item.as_bytes(), &mut expected);
                assert!(encode_bytes(&encoder, text) == expected);
            }
            let item = format!(r#"{{"channel":"a","gap":{GAP},"position":"{token}"}}"#);
            assert!(gap_bytes(&encoder).ends_with(item.as_bytes()));
            let gap = Gap { from: None, to: AT };
            assert_eq!(encoder.gap_close(&gap), None);
        }
    }

    #[test]
    fn an_envelope_can_be_asked_for_with_one_channel() {
        let encoder = Encoder::new(Transport::Sse, true, channels(&["a"]));
        let token = encoder.token(&[AT]);
        let json = JsonText::parse("[1.0]").unwrap();
        assert_eq!(
            encode(&encoder, json),
            format!("id: {token}\ndata: {HEAD}\"{token}\",\"data\":[1.0]}}\n\n")
        );
    }

    #[test]
    fn comet_calls_say_the_position_beside_the_data() {
        let encoder = Encoder::new(comet(), false, channels(&["a"]));
        let token = encoder.token(&[AT]);
        let open = "<script nonce=\"AAAAAAAAAAAAAAAAAAAAAA==\">parent.cometMessage(";
        let call = |arguments: &str| format!("{open}{arguments});</script>");
        assert_eq!(
            encode(&encoder, "</script>"),
            call(&format!(r"'\u003c\/script\u003e',{{position:'{token}'}}"))
        );
        assert_eq!(
            encode(&encoder, vec![0xff]),
            call(&format!(r"'\/w==',{{position:'{token}',base64:true}}"))
        );
        assert_eq!(
            gap(&encoder),
            call(&format!("undefined,{{position:'{token}',gap:{GAP}}}"))
        );
        assert!(opened(&encoder).contains(&format!("window.encke={{position:'{token}'}}")));
    }

    #[test]
    fn comet_envelopes_are_safe_in_their_channel_name_too() {
        let encoder = Encoder::new(comet(), true, channels(&["</script>"]));
        let written = encode(&encoder, "x");
        assert!(
            written.contains(r#"{"channel":"\u003c/script\u003e","epoch":"#),
            "{written}"
        );
        assert!(written.contains(",\"data\":'x'},{position:'"), "{written}");
        assert!(gap(&encoder).contains(r#"({"channel":"\u003c/script\u003e","gap":{"#));
    }
}
