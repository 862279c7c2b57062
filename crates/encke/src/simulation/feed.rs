//! What one subscriber is given: by a subscription of the library, or as the body of a response.

use super::data;
use crate::{Body, Delivery, Hub, Subscription};
use bytes::Bytes;
use encke_proto::{Channel, Data, Gap, Position, Since};
use futures_util::StreamExt;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::{collections::VecDeque, fmt::Write, sync::Arc};
use tower_service::Service;

/// Where a subscriber wants to start.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Head,
    Recent(usize),
    /// A position for each channel.
    After(Vec<Position>),
    /// What it was last told of where it stands.
    Token(String),
}

/// What a subscriber is told at once.
#[derive(Debug)]
pub(super) struct Told {
    /// Nothing, where it is only told where it stands.
    pub(super) item: Option<Item>,
    /// Where it stands then, for each channel.
    pub(super) stands: Vec<Position>,
    /// What a session may come back with.
    pub(super) token: Option<String>,
}

/// Channels are counted among those of the subscriber.
#[derive(Debug)]
pub(super) enum Item {
    Publication {
        channel: usize,
        position: Position,
        id: usize,
    },
    Gap {
        channel: usize,
        gap: Gap,
    },
}

pub(super) enum Feed {
    Subscription {
        subscription: Subscription,
        has_opened: bool,
    },
    Session {
        body: Body,
        channels: Arc<[Channel]>,
        line: Vec<u8>,
        told: VecDeque<Told>,
    },
}

/// Nobody can be told anything for now.
#[derive(Debug)]
pub(super) struct TurnedAway;

/// A subscription of the library, on one channel.
pub(super) async fn subscribe(
    hub: &Hub,
    channel: &Channel,
    place: Place,
) -> Result<Feed, TurnedAway> {
    let channel = hub.channel(channel.as_str()).expect("a good name");
    let subscribe = match place {
        Place::Head => channel.subscribe(),
        Place::Recent(count) => channel.subscribe_recent(count),
        Place::After(positions) => channel.subscribe_since(positions[0]),
        Place::Token(_) => unreachable!("a subscription has no tokens"),
    };
    let subscription = subscribe.await.map_err(|_| TurnedAway)?;
    Ok(Feed::Subscription {
        subscription,
        has_opened: false,
    })
}

/// A session over NDJSON.
pub(super) async fn listen(
    hub: &Hub,
    channels: Arc<[Channel]>,
    place: Place,
) -> Result<Feed, TurnedAway> {
    let mut url = "/?transport=ndjson".to_owned();
    for channel in &*channels {
        let name = utf8_percent_encode(channel.as_str(), NON_ALPHANUMERIC);
        let _ = write!(url, "&channel={name}");
    }
    let _ = match place {
        Place::Head => Ok(()),
        Place::Recent(count) => write!(url, "&history={count}"),
        Place::Token(token) => write!(url, "&since={token}"),
        Place::After(positions) => positions
            .iter()
            .try_for_each(|position| write!(url, "&since={position}")),
    };
    let request = Request::get(url).body(Empty::<Bytes>::new());
    let response = hub.live().call(request.expect("a good URL")).await;
    let response = response.unwrap_or_else(|never| match never {});
    match response.status() {
        StatusCode::OK => Ok(Feed::Session {
            body: response.into_body(),
            channels,
            line: Vec::new(),
            told: VecDeque::new(),
        }),
        StatusCode::SERVICE_UNAVAILABLE => Err(TurnedAway),
        other => panic!("a session was answered {other}"),
    }
}

impl Feed {
    /// What comes next; `None` at the end. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Told> {
        match self {
            Self::Subscription {
                subscription,
                has_opened,
            } => {
                let delivery = match std::mem::replace(has_opened, true) {
                    true => Some(subscription.next().await?),
                    false => None,
                };
                Some(Told {
                    item: delivery.map(item),
                    stands: vec![subscription.position()],
                    token: None,
                })
            }
            Self::Session {
                body,
                channels,
                line,
                told,
            } => loop {
                if let Some(told) = told.pop_front() {
                    return Some(told);
                }
                let bytes = body.frame().await?.ok()?.into_data().ok()?;
                for part in bytes.split_inclusive(|byte| *byte == b'\n') {
                    line.extend_from_slice(part);
                    if part.ends_with(b"\n") {
                        told.extend(parse(line, channels));
                        line.clear();
                    }
                }
            },
        }
    }
}

fn item(delivery: Delivery) -> Item {
    match delivery {
        Delivery::Gap(gap) => Item::Gap { channel: 0, gap },
        Delivery::Publication(publication) => Item::Publication {
            channel: 0,
            position: publication.position,
            id: data::id_of(&publication.data).expect("data of the schedule"),
        },
    }
}

/// Reads one line of NDJSON; an empty one is a sign of life.
fn parse(line: &[u8], channels: &[Channel]) -> Option<Told> {
    let line = line.trim_ascii_end();
    if line.is_empty() {
        return None;
    }
    let line: Line<'_> = serde_json::from_slice(line).expect("a line of our JSON");
    let since = Since::parse(line.position).expect("a token");
    let stands = since
        .positions(channels)
        .expect("a token of these channels");
    Some(Told {
        item: line.item(channels),
        stands,
        token: Some(line.position.to_owned()),
    })
}

#[derive(Deserialize)]
struct Line<'a> {
    channel: Option<&'a str>,
    epoch: Option<&'a str>,
    offset: Option<u64>,
    position: &'a str,
    data: Option<&'a str>,
    #[serde(borrow)]
    gap: Option<LineGap<'a>>,
}

#[derive(Deserialize)]
struct LineGap<'a> {
    epoch: &'a str,
    from: Option<u64>,
    to: u64,
}

impl Line<'_> {
    fn item(&self, channels: &[Channel]) -> Option<Item> {
        let name = self.channel?;
        let channel = channels.iter().position(|known| known.as_str() == name);
        let channel = channel.expect("one of the session's channels");
        if let Some(gap) = &self.gap {
            let epoch = gap.epoch.parse().expect("an epoch");
            let gap = Gap {
                from: gap.from,
                to: Position::new(epoch, gap.to),
            };
            return Some(Item::Gap { channel, gap });
        }
        let data = self.data?;
        let epoch = self.epoch.expect("the epoch of a publication");
        let epoch = epoch.parse().expect("an epoch");
        Some(Item::Publication {
            channel,
            position: Position::new(epoch, self.offset.expect("its offset")),
            id: data::id_of(&Data::from(data)).expect("data of the schedule"),
        })
    }
}
