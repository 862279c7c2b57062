//! Publishing: the next place of a channel, taken by the one whose message the server stores.
//!
//! The server takes a message only if the one before it on its subject is the one that its publisher
//! knows of. Publishers of one node wait for each other; those of several may collide, and try again.

use super::{
    Shared,
    api::{Fault, Told},
    entry::{self, Entry, MESSAGE_ID, Place, Raw, token},
    lanes::{Head, Lane},
};
use crate::{
    broker::{ANSWER_LIMIT, BrokerError, Publishing},
    random,
};
use encke_proto::{Channel, Data, Position};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout_at};

/// Collisions after which a publication is refused.
const COLLISIONS: u32 = 500;

/// Publications in a row after which a node lets others have their turn, who would collide for ever
/// with one that knows each answer first.
const STREAK: u32 = 64;

/// For how long.
const PAUSE: Duration = Duration::from_millis(1);

/// Publishes, once its turn has come.
pub(super) async fn publish(
    shared: Arc<Shared>,
    publishing: Publishing,
) -> Result<Position, BrokerError> {
    let lane = shared.lanes.of(&publishing.channel);
    let busy = || BrokerError::Away("too many publications of this channel wait".into());
    let _wait = lane.wait().ok_or_else(busy)?;
    let deadline = Instant::now() + ANSWER_LIMIT;
    let turn = timeout_at(deadline, lane.turn.lock()).await;
    let _turn = turn.map_err(|_| busy())?;
    let mut collisions = 0;
    let mut head = lane.head();
    loop {
        if head.is_none() {
            head = shared
                .head(&publishing.channel)
                .await?
                .as_ref()
                .map(Head::from);
        }
        if let Some(head) = &head {
            shared.meet(head.place.era).await?;
        }
        let place = shared.lanes.place_behind(head.as_ref());
        let expected = head.as_ref().map_or(0, |head| head.sequence);
        let stored = shared.put(&publishing, &place, expected).await?;
        let fault = match stored {
            Ok(stored) if stored.duplicate => {
                return shared.first_position(stored.sequence).await;
            }
            Ok(stored) => {
                let position = place.position;
                let sequence = stored.sequence;
                shared.lanes.saw(sequence);
                lane.learn(Head { sequence, place });
                lane.let_others_on().await;
                return Ok(position);
            }
            Err(fault) => fault,
        };
        if fault.number != Fault::WRONG_LAST_SEQUENCE {
            return Err(fault.into_error());
        }
        collisions += 1;
        shared.collisions.fetch_add(1, Ordering::Relaxed);
        if collisions >= COLLISIONS || Instant::now() > deadline {
            let reason = format!("other nodes were first {collisions} times in a row");
            return Err(BrokerError::Refused(reason.into()));
        }
        // One who has just collided asks at once, which takes less than a pause; who does so often
        // meets others like it.
        if collisions % 8 == 0 {
            sleep(PAUSE.mul_f64(4.0 * random::fraction())).await;
        }
        let known = lane.head();
        head = known.filter(|known| known.sequence > expected);
    }
}

impl Shared {
    /// Stores a publication at this place.
    async fn put(
        &self,
        publishing: &Publishing,
        place: &Place,
        expected: u64,
    ) -> Told<super::api::Stored> {
        let token = token(&publishing.channel);
        let (mut headers, payload) = entry::write(place, expected, Some(&publishing.data));
        if let Some(key) = &publishing.idempotency_key {
            headers.insert(MESSAGE_ID, message_id(&token, key));
        }
        self.store(self.streams.publications(&token), headers, payload)
            .await
    }

    /// Stores a marker at this place; `None` where another message was first.
    pub(super) async fn mark(
        &self,
        channel: &Channel,
        place: &Place,
        expected: u64,
    ) -> Result<Option<u64>, BrokerError> {
        let (headers, payload) = entry::write(place, expected, None::<&Data>);
        let subject = self.streams.publications(&token(channel));
        match self.store(subject, headers, payload).await? {
            Ok(stored) => {
                self.lanes.saw(stored.sequence);
                Ok(Some(stored.sequence))
            }
            Err(fault) if fault.number == Fault::WRONG_LAST_SEQUENCE => Ok(None),
            Err(fault) => Err(fault.into_error()),
        }
    }

    async fn store(
        &self,
        subject: String,
        headers: async_nats::HeaderMap,
        payload: bytes::Bytes,
    ) -> Told<super::api::Stored> {
        let stored = self.requests.store(subject, headers, payload).await;
        if let Err(BrokerError::Away(_)) = stored {
            // The stream may be gone.
            self.check.notify_one();
        }
        stored
    }

    /// The position that a publication got when its key was new.
    async fn first_position(&self, sequence: u64) -> Result<Position, BrokerError> {
        let stream = &self.streams.name;
        let message = self.requests.message(stream, sequence, self.lanes.member());
        let entry = message
            .await?
            .as_ref()
            .and_then(|raw: &Raw| Entry::read(raw));
        entry.map(|entry| entry.place.position).ok_or_else(|| {
            let reason = "it was published before, and its position is not kept any more";
            BrokerError::Unanswered(reason.into())
        })
    }
}

impl Lane {
    /// Lets other nodes have their turn now and then, while publications wait here.
    async fn let_others_on(&self) {
        if self.is_crowded() {
            if self.streak() >= STREAK {
                self.end_streak();
                sleep(PAUSE).await;
            }
        } else {
            self.end_streak();
        }
    }
}

/// Unique in the stream, which is what the server knows it by.
fn message_id(token: &str, key: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    // A key may have line breaks, which headers have not.
    format!("{token}:{}", URL_SAFE_NO_PAD.encode(key))
}
