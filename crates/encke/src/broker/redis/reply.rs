//! What servers answer. They are not ours: an answer that makes no sense is an error.

use super::servers::text;
use crate::{
    broker::{BrokerError, Kept, Snapshot, wire},
    log::{Branch, Lineage},
};
use encke_proto::Position;
use redis::Value;
use std::time::Duration;

/// A part of what is kept.
pub(super) struct Page {
    pub(super) snapshot: Snapshot,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<Position>,
}

/// `EPOCH:OFFSET`
pub(super) fn position(answer: &Value) -> Result<Position, BrokerError> {
    let position = text(answer).and_then(|text| text.parse().ok());
    position.ok_or_else(|| nonsense(answer))
}

/// `[listeners, EPOCH:OFFSET]`
pub(super) fn audience(answer: &Value) -> Result<(u64, Position), BrokerError> {
    match answer {
        Value::Array(parts) => match &parts[..] {
            [Value::Int(listeners), head] => {
                let listeners = u64::try_from(*listeners).unwrap_or(0);
                Ok((listeners, position(head)?))
            }
            _ => Err(nonsense(answer)),
        },
        _ => Err(nonsense(answer)),
    }
}

/// `[epoch, head, epochs before, last offset looked at, [offset, age, data, …]]`
pub(super) fn page(answer: &Value) -> Result<Page, BrokerError> {
    parse_page(answer).ok_or_else(|| nonsense(answer))
}

fn parse_page(answer: &Value) -> Option<Page> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let [epoch, head, before, last, Value::Array(kept)] = &parts[..] else {
        return None;
    };
    let head = Position::new(text(epoch)?.parse().ok()?, number(head)?);
    let last = match text(last)? {
        "" => head.offset,
        last => last.parse().ok()?,
    };
    let mut publications = Vec::with_capacity(kept.len() / 3);
    for entry in kept.chunks_exact(3) {
        let Value::BulkString(data) = &entry[2] else {
            return None;
        };
        let (offset, age) = (number(&entry[0])?, number(&entry[1])?);
        match wire::decode(data) {
            Some(data) => publications.push(Kept {
                offset,
                data,
                age: Duration::from_millis(age),
            }),
            // As if it were lost: what nobody can read is a gap.
            None => tracing::warn!(offset, "something that is no publication was kept"),
        }
    }
    Some(Page {
        next: (last < head.offset).then_some(Position::new(head.epoch, last)),
        snapshot: Snapshot {
            head,
            lineage: lineage(text(before)?)?,
            kept: publications,
        },
    })
}

/// `EPOCH:OFFSET,…`
fn lineage(before: &str) -> Option<Lineage> {
    let branches = before.split(',').filter(|branch| !branch.is_empty());
    let branches = branches.map(|branch| {
        let position: Position = branch.parse().ok()?;
        Some(Branch {
            epoch: position.epoch,
            until: position.offset,
        })
    });
    Some(Lineage::new(branches.collect::<Option<Vec<_>>>()?))
}

fn number(value: &Value) -> Option<u64> {
    text(value)?.parse().ok()
}

fn nonsense(answer: &Value) -> BrokerError {
    let answer: String = format!("{answer:?}").chars().take(200).collect();
    BrokerError::Refused(format!("an answer that makes no sense: {answer}").into())
}
