//! What is published: who published it and where, so that everything else about it can be checked.

use serde_json::{Value, json};

/// The channels. Names as people have them, and as engines do not like them.
pub(crate) const CHANNELS: [&str; 6] = ["news", "large", "quiet", "{tag}", "a b*?", "ü/1"];

/// Its publications are of many kilobytes, so that slow readers fall out of its live window.
pub(crate) const LARGE: &str = "large";

/// Little is published here, so that only a check can find what was not announced.
pub(crate) const QUIET: &str = "quiet";

/// A publication, by its publisher and that one's count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) publisher: u32,
    pub(crate) number: u32,
}

/// The JSON of a publication.
pub(crate) fn data(id: Id, channel: &str) -> Value {
    let Id { publisher, number } = id;
    let length = match channel {
        LARGE => 12_000 + number as usize * 37 % 20_000,
        _ => number as usize * 7 % 300,
    };
    json!({"publisher": publisher, "number": number, "channel": channel, "text": "x".repeat(length)})
}

/// Which publication this is, if it came as it was published on this channel.
pub(crate) fn read(data: &Value, channel: &str) -> Result<Id, String> {
    let number = |name: &str| {
        data[name]
            .as_u64()
            .and_then(|number| number.try_into().ok())
    };
    let id = match (number("publisher"), number("number")) {
        (Some(publisher), Some(number)) => Id { publisher, number },
        _ => return Err(format!("nobody published this: {data:.200}")),
    };
    match *data == self::data(id, channel) {
        true => Ok(id),
        false => Err(format!(
            "this is not what was published on {channel}: {data:.200}"
        )),
    }
}
