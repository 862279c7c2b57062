//! Publishers, who know what became of what they publish, or that they do not.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use encke::Position;
use http::StatusCode;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::door::{Mode, World};
use crate::exchange::{self, Receives};
use crate::payload::{self, CHANNELS, Id, LARGE, QUIET};
use crate::stream::encoded;

/// How a publisher is.
pub(crate) struct Publisher {
    pub(crate) number: u32,
    /// With a key, and again until there is an answer.
    pub(crate) keyed: bool,
    /// How long it waits for an answer.
    pub(crate) patience: Duration,
    pub(crate) dice: Dice,
}

/// Where most is published.
const BUSY: [&str; 4] = [CHANNELS[0], CHANNELS[3], CHANNELS[4], CHANNELS[5]];

/// Publishers that have to rest still.
pub(crate) static AT_WORK: AtomicUsize = AtomicUsize::new(0);

/// What a publisher was told.
enum Answer {
    Position(Position),
    /// It was not published.
    Refused,
    /// It was published, or not, or will be.
    Open(&'static str),
}

/// Publishes until the end.
pub(crate) async fn run(mut publisher: Publisher, mut world: World) {
    let mut number = 0;
    loop {
        let pause = match publisher.number {
            // It has the large ones to itself.
            0 => publisher.dice.time(60..120),
            _ => publisher.dice.time(40..160),
        };
        world.while_in(Mode::Busy, sleep(pause)).await;
        let mut mode = world.mode.clone();
        let Ok(mode) = mode
            .wait_for(|mode| *mode != Mode::Settle)
            .await
            .map(|mode| *mode)
        else {
            return;
        };
        if mode == Mode::End {
            return;
        }
        number += 1;
        AT_WORK.fetch_add(1, Ordering::SeqCst);
        // Between the look and the count everything may have settled.
        if world.mode() == Mode::Busy {
            let channel = match publisher.number {
                0 => LARGE,
                _ if publisher.dice.one_in(100) => QUIET,
                _ => *publisher.dice.pick(&BUSY),
            };
            publisher.publish(number, channel, &world).await;
        }
        AT_WORK.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Publisher {
    /// Publishes, and knows what became of it; gives its position, where it has one.
    pub(crate) async fn publish(
        &mut self,
        number: u32,
        channel: &'static str,
        world: &World,
    ) -> Option<Position> {
        let id = Id {
            publisher: self.number,
            number,
        };
        let data = payload::data(id, channel).to_string();
        world.checker.attempt(id, channel, data.len(), self.keyed);
        let mut is_open = false;
        loop {
            let answer = match timeout(self.patience, self.ask(id, channel, &data, world)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    world.checker.fail(&format!("a publisher was told {error}"));
                    return None;
                }
                Ok(Err(_)) => Answer::Open("cut"),
                Err(_) => Answer::Open("late"),
            };
            let why = match answer {
                Answer::Position(position) => {
                    world.checker.acknowledged(id, channel, position);
                    return Some(position);
                }
                Answer::Refused => "503",
                Answer::Open(why) => why,
            };
            let is_refused = why == "503" && !is_open;
            is_open |= why != "503";
            // Some with a key trust in a no too.
            let goes_on = match world.mode() {
                Mode::Busy => self.keyed && !(is_refused && self.dice.one_in(2)),
                Mode::Settle => self.keyed,
                Mode::End => false,
            };
            let then = if goes_on { "retried" } else { "given up" };
            world
                .checker
                .count(|figures| *figures.failed.entry(format!("{why} {then}")).or_default() += 1);
            if !goes_on {
                if is_refused {
                    world.checker.refused(id, channel);
                }
                return None;
            }
            sleep(self.dice.time(20..200)).await;
        }
    }

    async fn ask(
        &mut self,
        id: Id,
        channel: &str,
        data: &str,
        world: &World,
    ) -> io::Result<Answer> {
        let address = self.dice.pick(&world.doors).proxy.address();
        let key = match self.keyed {
            true => format!("idempotency-key: {}-{}\r\n", id.publisher, id.number),
            false => String::new(),
        };
        let request = format!(
            "POST /live/{} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n{key}",
            encoded(channel),
            data.len()
        );
        let (head, mut connection) =
            exchange::ask(address, Receives::Much, &request, data.as_bytes()).await?;
        let body = exchange::short_body(&head, &mut connection).await?;
        match head.status() {
            StatusCode::OK => {
                let answer: Value = serde_json::from_slice(&body)?;
                let epoch = answer["epoch"]
                    .as_str()
                    .and_then(|epoch| epoch.parse().ok());
                match (epoch, answer["offset"].as_u64()) {
                    (Some(epoch), Some(offset)) => {
                        Ok(Answer::Position(Position::new(epoch, offset)))
                    }
                    _ => Err(exchange::odd(&answer.to_string())),
                }
            }
            StatusCode::SERVICE_UNAVAILABLE => Ok(Answer::Refused),
            StatusCode::GATEWAY_TIMEOUT => Ok(Answer::Open("504")),
            status => Err(exchange::odd(&format!(
                "{status}: {}",
                String::from_utf8_lossy(&body)
            ))),
        }
    }
}
