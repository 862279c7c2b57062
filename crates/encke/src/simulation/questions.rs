//! What becomes of a question on its way to the engine, there, and back.

use super::{
    data,
    events::{Answered, Event, Line, Question, Reply},
    report::{State, reached},
    world::World,
};
use crate::broker::{ANSWER_LIMIT, BrokerError};
use std::sync::Arc;
use tokio::time::Instant;

/// Somebody who has asked.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) from: Line,
    pub(super) asked: Instant,
    pub(super) reply: Reply,
}

impl World {
    pub(super) fn handle_question(
        &mut self,
        from: Line,
        question: Question,
        waiting: Option<Waiting>,
    ) {
        let network = self.network();
        if !self.is_heard(from) || self.rng.happens(network.lost_requests) {
            return self.lose_question(waiting);
        }
        if self.rng.happens(network.refused) && matches!(question, Question::Publish(_)) {
            reached(State::Refused);
            return self.send_answer(Err(BrokerError::Refused(Arc::from("no"))), waiting);
        }
        let answer = self.answer(from.node, question);
        if self.rng.happens(network.lost_answers) {
            reached(State::AnswerLost);
            return self.fail(BrokerError::Unanswered(Arc::from("lost")), waiting);
        }
        self.send_answer(Ok(answer), waiting);
    }

    /// It is not carried out; who asked may be sure of that, or not.
    fn lose_question(&mut self, waiting: Option<Waiting>) {
        reached(State::QuestionLost);
        self.trace(|_| format!("lost: {waiting:?}"));
        let error = match self.rng.happens(500) {
            true => BrokerError::Away(Arc::from("not sent")),
            false => BrokerError::Unanswered(Arc::from("lost")),
        };
        self.fail(error, waiting);
    }

    fn answer(&mut self, node: usize, question: Question) -> Answered {
        match question {
            Question::Publish(publishing) => {
                let channel = self.channel_index(&publishing.channel);
                let id = data::id_of(&publishing.data).expect("data of the schedule");
                let (data, key) = (publishing.data, publishing.idempotency_key);
                let (position, is_new) = self.engine.publish(channel, id, data.clone(), key);
                self.trace(|_| format!("engine has {id} as {channel} {position}, new: {is_new}"));
                match is_new {
                    true => self.announce(channel, position, &data),
                    false => reached(State::KeyKnown),
                }
                Answered::Published(position)
            }
            Question::Read(channel, after) => {
                reached(State::Read);
                let Self { engine, rng, .. } = self;
                let snapshot = engine.read(channel, after, rng);
                self.trace(|_| {
                    let kept = snapshot.kept.first().map(|kept| kept.offset);
                    format!(
                        "node {node} reads {channel} after {after:?}: {} from {kept:?}",
                        snapshot.head
                    )
                });
                Answered::Snapshot(snapshot)
            }
            Question::Heads(channels) => {
                self.trace(|_| format!("node {node} asks where {channels:?} stand"));
                let heads = channels.iter().map(|channel| self.engine.head(*channel));
                Answered::Heads(heads.collect())
            }
            Question::Report => Answered::Done,
            Question::Audience(channel) => Answered::Audience(0, self.engine.head_of(channel)),
        }
    }

    fn send_answer(&mut self, answer: Result<Answered, BrokerError>, waiting: Option<Waiting>) {
        let Some(Waiting { from, asked, reply }) = waiting else {
            return;
        };
        let delay = self.delay_on(from.node);
        if asked.elapsed() + delay < ANSWER_LIMIT {
            return self.after(
                delay,
                Event::Answer {
                    from,
                    answer,
                    reply,
                },
            );
        }
        reached(State::AnswerTooLate);
        let answer = Err(BrokerError::Unanswered(Arc::from("late")));
        self.events.push(
            asked + ANSWER_LIMIT,
            Event::Answer {
                from,
                answer,
                reply,
            },
        );
    }

    /// Tells who asked, within the time a broker has for that.
    fn fail(&mut self, error: BrokerError, waiting: Option<Waiting>) {
        let Some(Waiting { from, asked, reply }) = waiting else {
            return;
        };
        self.connections[from.node].is_in_trouble();
        let left = ANSWER_LIMIT.saturating_sub(asked.elapsed());
        let delay = self.rng.millis(0..=left.as_millis() as u64);
        let answer = Err(error);
        self.after(
            delay,
            Event::Answer {
                from,
                answer,
                reply,
            },
        );
    }
}
