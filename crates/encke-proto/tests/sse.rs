//! Event streams as a browser reads them.

use encke_proto::fuzz::event_stream::{Message, Reader};
use encke_proto::sse::{Event, keep_alive};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
struct Sent {
    data: Option<String>,
    id: Option<String>,
    event: Option<String>,
    comment: Option<String>,
}

impl Sent {
    fn event(&self) -> Event {
        let mut event = Event::new();
        if let Some(data) = &self.data {
            event = event.data(data);
        }
        if let Some(id) = &self.id {
            event = event.id(id).unwrap();
        }
        if let Some(name) = &self.event {
            event = event.event(name).unwrap();
        }
        if let Some(comment) = &self.comment {
            event = event.comment(comment);
        }
        event
    }
}

fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "\r", "\n", "\r\n", ":", " ", "\0", "\u{feff}", "data: x", "id", "kiki", "é",
    ];
    let pieces =
        vec(prop::sample::select(pieces.to_vec()), 0..8).prop_map(|pieces| pieces.concat());
    prop_oneof![pieces, any::<String>()]
}

fn value() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace(['\r', '\n', '\0'], ""))
}

fn sent() -> impl Strategy<Value = Sent> {
    (
        option::of(text()),
        option::of(value()),
        option::of(value()),
        option::of(text()),
    )
        .prop_map(|(data, id, event, comment)| Sent {
            data,
            id,
            event,
            comment,
        })
}

fn with_lf(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// What a page gets of the events.
fn expected(sent: &[Sent]) -> Vec<Message> {
    let mut last_id = String::new();
    let mut messages = Vec::new();
    for sent in sent {
        if let Some(id) = &sent.id {
            last_id.clone_from(id);
        }
        if let Some(data) = &sent.data {
            let (data, event) = (with_lf(data), sent.event.clone().unwrap_or_default());
            messages.push(Message {
                data,
                event,
                id: last_id.clone(),
            });
        }
    }
    messages
}

proptest! {
    #[test]
    fn events_arrive_as_sent_however_the_stream_is_cut(
        sent in vec(sent(), 0..6),
        piece in 1_usize..40,
    ) {
        let mut out = Vec::new();
        for sent in &sent {
            sent.event().write(&mut out);
            out.extend_from_slice(keep_alive());
        }
        let mut reader = Reader::default();
        out.chunks(piece).for_each(|piece| reader.read(piece));
        prop_assert_eq!(reader.messages, expected(&sent));
    }
}

#[test]
fn id_alone_is_remembered_and_dispatches_nothing() {
    let mut out = Vec::new();
    Event::new().id("7").unwrap().write(&mut out);
    Event::new().retry(Duration::from_secs(2)).write(&mut out);
    let mut reader = Reader::default();
    reader.read(&out);
    assert_eq!((reader.id.as_str(), reader.retry), ("7", Some(2000)));
    assert!(reader.messages.is_empty());
}
