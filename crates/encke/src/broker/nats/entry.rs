//! A message of a channel's subject: what it says of its place, and its data.

use super::clock::EngineTime;
use crate::{
    broker::wire,
    log::{Branch, Lineage},
    random,
};
use async_nats::HeaderMap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use encke_proto::{Channel, Data, Epoch, Position};
use std::sync::Arc;

const EPOCH: &str = "Encke-Epoch";
const OFFSET: &str = "Encke-Offset";
const LINEAGE: &str = "Encke-Lineage";
const ERA: &str = "Encke-Era";
const MARKER: &str = "Encke-Marker";
pub(super) const EXPECTED_SEQUENCE: &str = "Nats-Expected-Last-Subject-Sequence";
pub(super) const MESSAGE_ID: &str = "Nats-Msg-Id";

/// The one token of a subject that stands for a channel: names have dots, spaces and wildcards.
pub(super) fn token(channel: &Channel) -> String {
    URL_SAFE_NO_PAD.encode(channel.as_str())
}

/// Where a message of a subject stands in its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) position: Position,
    /// What the engine lived through, when it was published: see [`super::streams`].
    pub(super) era: u64,
    /// The epochs that its epoch continues, as they are written.
    pub(super) lineage: Option<Arc<str>>,
}

impl Place {
    /// The first place of a log that nobody knows.
    pub(super) fn first(era: u64) -> Self {
        Self {
            position: Position::new(Epoch::new(random::number()), 0),
            era,
            lineage: None,
        }
    }

    /// The same place in an epoch of its own, which continues this one.
    pub(super) fn branch(&self, era: u64) -> Self {
        let Position { epoch, offset } = self.position;
        let mut lineage = format!("{epoch}:{offset}");
        let older = self.lineage.iter().flat_map(|lineage| lineage.split(','));
        for branch in older.take(Lineage::MAX - 1) {
            lineage.push(',');
            lineage.push_str(branch);
        }
        Self {
            position: Position::new(Epoch::new(random::number()), offset),
            era,
            lineage: Some(lineage.into()),
        }
    }

    /// The place behind this one.
    pub(super) fn next(&self) -> Self {
        let Position { epoch, offset } = self.position;
        Self {
            position: Position::new(epoch, offset + 1),
            ..self.clone()
        }
    }

    /// The epochs that its epoch continues.
    pub(super) fn lineage(&self) -> Lineage {
        let written = self.lineage.as_deref().unwrap_or("");
        Lineage::new(written.split(',').filter_map(|branch| {
            let Position { epoch, offset } = branch.parse().ok()?;
            let until = offset;
            Some(Branch { epoch, until })
        }))
    }

    fn write(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(EPOCH, self.position.epoch.to_string());
        headers.insert(OFFSET, self.position.offset.to_string());
        headers.insert(ERA, format!("{:016x}", self.era));
        if let Some(lineage) = &self.lineage {
            headers.insert(LINEAGE, &**lineage);
        }
        headers
    }

    fn read<'a>(header: impl Fn(&'static str) -> Option<&'a str>) -> Option<Self> {
        let offset = header(OFFSET)?.parse().ok()?;
        Some(Self {
            position: Position::new(header(EPOCH)?.parse().ok()?, offset),
            era: u64::from_str_radix(header(ERA)?, 16).ok()?,
            lineage: header(LINEAGE).map(Into::into),
        })
        .filter(|place| place.position.offset < Position::OFFSET_LIMIT)
    }
}

/// A message as the engine keeps it.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) sequence: u64,
    pub(super) at: EngineTime,
    pub(super) headers: Headers,
    pub(super) payload: Bytes,
}

/// Headers, from wherever they came.
#[derive(Debug, Clone)]
pub(super) enum Headers {
    None,
    Map(HeaderMap),
    /// As the engine has them, in base64 or not.
    Text(String),
}

impl Headers {
    pub(super) fn get(&self, name: &'static str) -> Option<&str> {
        match self {
            Self::None => None,
            Self::Map(headers) => headers.get(name).map(|value| value.as_str()),
            Self::Text(text) => text.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                (found == name).then_some(value.trim())
            }),
        }
    }
}

/// A message that a node of encke made.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its sequence in the stream, or that of a newer message that is none of ours.
    pub(super) sequence: u64,
    pub(super) at: EngineTime,
    pub(super) place: Place,
    /// The sequence of the message before it on its subject.
    pub(super) previous: u64,
    /// `None` for a marker, which says where a channel stands and is no publication.
    pub(super) data: Option<Data>,
}

impl Entry {
    /// `None` where others made it: whoever is let into a stream may write to it.
    pub(super) fn read(raw: &Raw) -> Option<Self> {
        let place = Place::read(|name| raw.headers.get(name))?;
        let is_marker = raw.headers.get(MARKER).is_some();
        let data = match is_marker {
            true => None,
            false => Some(wire::decode(&raw.payload)?),
        };
        let previous = raw.headers.get(EXPECTED_SEQUENCE)?.parse().ok()?;
        Some(Self {
            sequence: raw.sequence,
            at: raw.at,
            place,
            previous,
            data,
        })
    }
}

/// The headers and the payload of a publication, or of a marker.
pub(super) fn write(place: &Place, previous: u64, data: Option<&Data>) -> (HeaderMap, Bytes) {
    let mut headers = place.write();
    headers.insert(EXPECTED_SEQUENCE, previous.to_string());
    match data {
        Some(data) => (headers, wire::encode(data).into()),
        None => {
            headers.insert(MARKER, "1");
            (headers, Bytes::new())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(headers: Headers, payload: Bytes) -> Raw {
        Raw {
            sequence: 7,
            at: EngineTime(5),
            headers,
            payload,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let place = Place::first(0xe0).next().branch(0xe1).next();
        let (headers, payload) = write(&place, 6, Some(&Data::from("kiki")));
        let entry = Entry::read(&raw(Headers::Map(headers), payload)).unwrap();
        assert_eq!(entry.place, place);
        assert_eq!((entry.sequence, entry.previous), (7, 6));
        assert_eq!(entry.data, Some(Data::from("kiki")));
        let (headers, payload) = write(&place, 6, None);
        let marker = Entry::read(&raw(Headers::Map(headers), payload)).unwrap();
        assert_eq!((marker.place, marker.data), (place, None));
    }

    #[test]
    fn a_branch_continues_all_that_its_epoch_continued() {
        let mut place = Place::first(1);
        let oldest = place.position.epoch;
        for _ in 0..Lineage::MAX {
            place = place.next().branch(2);
        }
        assert_eq!(place.position.offset, Lineage::MAX as u64);
        assert_eq!(place.lineage().until(oldest), Some(1));
        assert_eq!(place.next().branch(3).lineage().until(oldest), None);
    }

    #[test]
    fn messages_of_others_are_no_entries() {
        let text = |text: &str| raw(Headers::Text(text.into()), Bytes::from_static(b"tx"));
        let whole = "NATS/1.0\r\nEncke-Epoch: ab\r\nEncke-Offset: 1\r\nEncke-Era: 2\r\n\
             Nats-Expected-Last-Subject-Sequence: 0\r\n\r\n";
        assert!(Entry::read(&text(whole)).is_some());
        for broken in [
            "",
            &whole.replace("Epoch: ab", "Epoch: xy"),
            &whole.replace("Offset: 1", "Offset: -1"),
            &whole.replace("Offset: 1", "Offset: 9007199254740992"),
            &whole.replace("Sequence: 0", "Sequence: "),
            &whole.replace("Encke-Era", "Era"),
        ] {
            assert!(Entry::read(&text(broken)).is_none(), "{broken}");
        }
        assert!(Entry::read(&raw(Headers::None, Bytes::new())).is_none());
    }

    #[test]
    fn every_name_is_one_token() {
        for name in ["a.b", "*", ">", "a b", "{x}", "kühl 🐟", &"ü".repeat(127)] {
            let token = token(&Channel::new(name).unwrap());
            assert!(
                token
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            );
            assert_eq!(URL_SAFE_NO_PAD.decode(token).unwrap(), name.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_headers_are_read_or_refused(text in "(Encke-(Epoch|Offset|Era|Lineage)|Nats)?:? ?[0-9a-f:,]{0,20}(\r\n)?") {
            let _ = Entry::read(&raw(Headers::Text(text), Bytes::new())).map(|e| e.place.lineage());
        }
    }
}
