//! Where a channel is kept: keys that one slot of a cluster has, whatever the channel's name.

use encke_proto::Channel;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands for itself between the braces of a key: only `}` would end it early, but who looks
/// at keys with `redis-cli` reads these best.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b'@');

const NEWS: &str = "news";

/// The first part of all keys.
#[derive(Debug, Clone)]
pub(super) struct Prefix(String);

impl Prefix {
    pub(super) fn new(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// What is known of the channel, and what it keeps.
    pub(super) fn channel(&self, channel: &Channel) -> [String; 2] {
        [self.key(channel, "meta"), self.key(channel, "log")]
    }

    /// How many listen on each node.
    pub(super) fn listeners(&self, channel: &Channel) -> String {
        self.key(channel, "listeners")
    }

    /// The position that an idempotency key stands for.
    pub(super) fn idempotency(&self, channel: &Channel, key: &str) -> String {
        format!("{}:{key}", self.key(channel, "once"))
    }

    /// Where publications are announced.
    pub(super) fn news(&self, channel: &Channel) -> String {
        self.key(channel, NEWS)
    }

    /// The channel whose publications are announced there.
    pub(super) fn channel_of(&self, news: &[u8]) -> Option<Channel> {
        let rest = str::from_utf8(news).ok()?.strip_prefix(&self.0)?;
        let (tag, name) = rest.strip_prefix(":{")?.split_once("}:")?;
        let channel = percent_decode_str(tag).decode_utf8().ok()?;
        Channel::new(channel).ok().filter(|_| name == NEWS)
    }

    fn key(&self, channel: &Channel, name: &str) -> String {
        let tag = utf8_percent_encode(channel.as_str(), PLAIN);
        format!("{}:{{{tag}}}:{name}", self.0)
    }
}

/// The slot of a key that [`Prefix`] made (Redis Cluster specification, "Key distribution model").
pub(super) fn slot(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let hashed = tag.map_or(key, |(tag, _)| tag);
    crc16::State::<crc16::XMODEM>::calculate(hashed.as_bytes()) % 16_384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_channel_are_in_one_slot_whatever_its_name() {
        let prefix = Prefix::new("encke");
        for name in [
            "news", "a/b", "{", "}", "{}", "}{x}", "a b", "*", "ü", "50%7D", "x:{y}:z",
        ] {
            let channel = Channel::new(name).unwrap();
            let [meta, log] = prefix.channel(&channel);
            let news = prefix.news(&channel);
            let once = prefix.idempotency(&channel, "{k}");
            for key in [&log, &news, &once, &prefix.listeners(&channel)] {
                assert_eq!(slot(key), slot(&meta), "{key}");
            }
            assert_eq!(prefix.channel_of(news.as_bytes()), Some(channel));
        }
    }

    #[test]
    fn the_slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31c3);
        assert_eq!(slot("x:{123456789}:y"), 0x31c3);
    }

    #[test]
    fn names_of_others_are_no_channels() {
        let prefix = Prefix::new("encke");
        for news in [
            "news",
            "encke:{}:news",
            "encke:{a}:log",
            "enckes:{a}:news",
            "encke:{%ff}:news",
        ] {
            assert_eq!(prefix.channel_of(news.as_bytes()), None, "{news}");
        }
    }
}
