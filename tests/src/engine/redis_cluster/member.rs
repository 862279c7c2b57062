//! A master of a cluster as another node knows it.

use crate::engine::Redis;

/// A line of `CLUSTER NODES`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Member {
    pub(super) id: String,
    master: bool,
    slots: Vec<(u16, u16)>,
}

impl Member {
    /// All that have slots, as far as `node` knows, in an order that is the same for everyone.
    pub(super) async fn serving(node: &Redis) -> Result<Vec<Self>, String> {
        let nodes = node.try_command(&["CLUSTER", "NODES"]).await?;
        let members = nodes.lines().filter_map(Self::parse);
        let mut serving: Vec<Self> = members.filter(Self::is_serving).collect();
        serving.sort();
        Ok(serving)
    }

    /// ID ADDRESS FLAGS MASTER PING PONG EPOCH LINK SLOT…
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let slots = words.iter().skip(8).filter_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            // A slot that is being moved comes once more, in brackets.
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Some(Self {
            id: (*words.first()?).to_owned(),
            master: words.get(2)?.split(',').any(|flag| flag == "master"),
            slots: slots.collect(),
        })
    }

    pub(super) fn serves(&self, slot: u16) -> bool {
        let mut slots = self.slots.iter();
        slots.any(|(first, last)| (*first..=*last).contains(&slot))
    }

    fn is_serving(&self) -> bool {
        self.master && !self.slots.is_empty()
    }
}
