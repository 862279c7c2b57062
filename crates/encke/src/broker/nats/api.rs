//! Questions to JetStream in its own words, and what its answers say.

use super::{
    clock::EngineTime,
    entry::{Headers, Raw},
    requests::Requests,
};
use crate::broker::{ANSWER_LIMIT, BrokerError};
use async_nats::{HeaderMap, Message, StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Messages that are asked for at once.
const BATCH: u64 = 100;

/// How long the server keeps a consumer that nobody asks.
const CONSUMER_NANOS: u64 = 10_000_000_000;

/// No, as JetStream says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Fault {
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default, rename = "err_code")]
    pub(super) number: u32,
    #[serde(default)]
    pub(super) description: String,
}

impl Fault {
    pub(super) const STREAM_NOT_FOUND: u32 = 10059;
    pub(super) const STREAM_NAME_IN_USE: u32 = 10058;
    pub(super) const NOT_ENABLED: u32 = 10076;
    pub(super) const NOT_ENABLED_FOR_ACCOUNT: u32 = 10039;
    pub(super) const WRONG_LAST_SEQUENCE: u32 = 10071;

    /// As the error of a broker that did nothing.
    pub(super) fn into_error(self) -> BrokerError {
        match self.code {
            // "JetStream system temporarily unavailable", and the like.
            503 => BrokerError::Away(self.description.into()),
            _ => BrokerError::Refused(self.description.into()),
        }
    }
}

/// What an answer says, or the fault that it tells of.
pub(super) type Told<T> = Result<Result<T, Fault>, BrokerError>;

/// A publication was stored.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Stored {
    #[serde(rename = "seq")]
    pub(super) sequence: u64,
    /// It had been before, under this sequence.
    #[serde(default)]
    pub(super) duplicate: bool,
}

/// A stream.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct StreamInfo {
    /// As the server has it: what this version of encke does not know stays as it is.
    pub(super) config: Value,
    pub(super) created: String,
    pub(super) state: StreamState,
}

#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct StreamState {
    #[serde(rename = "last_seq")]
    pub(super) last_sequence: u64,
}

/// Which messages of a subject to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    First,
    LastOfEach,
}

/// Messages that were read, with the time by the engine's clock.
#[derive(Debug)]
pub(super) struct Messages {
    pub(super) messages: Vec<Raw>,
    pub(super) now: EngineTime,
}

impl Requests {
    /// Asks the API of JetStream, whatever is known of the connection.
    pub(super) async fn api<T: DeserializeOwned>(&self, name: String, question: &Value) -> Told<T> {
        let payload = match question {
            Value::Null => Bytes::new(),
            question => question.to_string().into(),
        };
        let subject = format!("$JS.API.{name}");
        told(&self.ask_anyway(subject, None, payload).await?)
    }

    /// Publishes to a subject that a stream has.
    pub(super) async fn store(
        &self,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Told<Stored> {
        told(&self.ask(subject, Some(headers), payload).await?)
    }

    /// The newest message of a subject.
    pub(super) async fn last(
        &self,
        stream: &str,
        subject: &str,
        of: Member,
    ) -> Result<Option<Raw>, BrokerError> {
        match of {
            Member::Any => {
                let subject = format!("$JS.API.DIRECT.GET.{stream}.{subject}");
                got_directly(self.ask(subject, None, Bytes::new()).await?)
            }
            Member::Leader => {
                self.ask_leader(stream, &json!({ "last_by_subj": subject }))
                    .await
            }
        }
    }

    /// The message of a sequence.
    pub(super) async fn message(
        &self,
        stream: &str,
        sequence: u64,
        of: Member,
    ) -> Result<Option<Raw>, BrokerError> {
        let question = json!({ "seq": sequence });
        match of {
            Member::Any => {
                let subject = format!("$JS.API.DIRECT.GET.{stream}");
                got_directly(self.ask(subject, None, question.to_string().into()).await?)
            }
            Member::Leader => self.ask_leader(stream, &question).await,
        }
    }

    async fn ask_leader(&self, stream: &str, question: &Value) -> Result<Option<Raw>, BrokerError> {
        #[derive(Deserialize)]
        struct Got {
            message: Kept,
        }
        #[derive(Deserialize)]
        struct Kept {
            seq: u64,
            time: String,
            #[serde(default)]
            hdrs: String,
            #[serde(default)]
            data: String,
        }
        let subject = format!("$JS.API.STREAM.MSG.GET.{stream}");
        let question = question.to_string().into();
        let kept = match told::<Got>(&self.ask(subject, None, question).await?)? {
            Ok(got) => got.message,
            Err(fault) if fault.code == 404 => return Ok(None),
            Err(fault) => return Err(fault.into_error()),
        };
        let decoded = || {
            let headers = String::from_utf8(STANDARD.decode(&kept.hdrs).ok()?).ok()?;
            Some(Raw {
                sequence: kept.seq,
                at: EngineTime::parse(&kept.time)?,
                headers: Headers::Text(headers),
                payload: STANDARD.decode(&kept.data).ok()?.into(),
            })
        };
        decoded().map(Some).ok_or_else(strange)
    }

    /// Messages of a subject up to the newest, by a consumer that keeps their order: made for this,
    /// unacknowledged, in memory, and gone behind it. Two questions, and one more for every 100
    /// messages above the first.
    pub(super) async fn consume(
        &self,
        stream: &str,
        subject: &str,
        from: From,
    ) -> Result<Messages, BrokerError> {
        #[derive(Deserialize)]
        struct Made {
            created: String,
            num_pending: u64,
        }
        let mut answers = self.listen();
        let name = self.consumer(&answers);
        let mut config = json!({
            "name": name,
            "ack_policy": "none",
            "deliver_policy": "all",
            "replay_policy": "instant",
            "filter_subject": subject,
            "inactive_threshold": CONSUMER_NANOS,
            "mem_storage": true,
            "num_replicas": 1,
        });
        if from == From::LastOfEach {
            config["deliver_policy"] = "last_per_subject".into();
        }
        let question = json!({ "stream_name": stream, "config": config });
        let made = format!("CONSUMER.CREATE.{stream}.{name}.{subject}");
        let made: Made = match self.api(made, &question).await? {
            Ok(made) => made,
            Err(fault) => return Err(fault.into_error()),
        };
        let now = EngineTime::parse(&made.created).ok_or_else(strange)?;
        let next = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
        let mut messages = Vec::new();
        // What is published meanwhile is announced, too.
        let wanted = made.num_pending;
        let mut has_more = wanted > 0;
        while has_more && (messages.len() as u64) < wanted {
            let deadline = Instant::now() + ANSWER_LIMIT;
            let batch = (wanted - messages.len() as u64).min(BATCH);
            let question = json!({ "batch": batch, "no_wait": true }).to_string();
            self.send(&answers, next.clone(), None, question.into(), deadline)
                .await?;
            for _ in 0..batch {
                let message = answers.next(deadline).await?;
                let Some(delivered) = Delivered::read(&message) else {
                    // It has no more: they were dropped meanwhile, and with them what comes first.
                    has_more = false;
                    break;
                };
                if delivered.number != messages.len() as u64 + 1 {
                    return Err(BrokerError::Unanswered("a message was lost".into()));
                }
                messages.push(delivered.raw(message));
            }
        }
        let deleted = format!("$JS.API.CONSUMER.DELETE.{stream}.{name}");
        let _ = self.client().publish(deleted, Bytes::new()).await;
        Ok(Messages { messages, now })
    }
}

/// Who of the servers that have a stream is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    /// Whoever is the quickest: right where there is one.
    Any,
    /// The one that knows what was published last.
    Leader,
}

/// What the reply subject of a consumer's message says:
/// `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<times>.<sequence>.<number>.<time>.<pending>`.
struct Delivered {
    sequence: u64,
    number: u64,
    at: EngineTime,
}

impl Delivered {
    fn read(message: &Message) -> Option<Self> {
        let tokens: Vec<_> = message.reply.as_ref()?.split('.').collect();
        let rest = match tokens.len() {
            9 => &tokens[5..],
            11.. => &tokens[7..],
            _ => return None,
        };
        Some(Self {
            sequence: rest[0].parse().ok()?,
            number: rest[1].parse().ok()?,
            at: EngineTime(rest[2].parse().ok()?),
        })
    }

    fn raw(&self, message: Message) -> Raw {
        Raw {
            sequence: self.sequence,
            at: self.at,
            headers: message.headers.map_or(Headers::None, Headers::Map),
            payload: message.payload,
        }
    }
}

/// The answer to a direct get: the message itself.
fn got_directly(message: Message) -> Result<Option<Raw>, BrokerError> {
    match message.status {
        Some(StatusCode::NOT_FOUND) => return Ok(None),
        Some(status) => {
            let description = message.description.as_deref().unwrap_or_default();
            let reason = format!("a direct get gave {status} {description}");
            return Err(BrokerError::Refused(reason.into()));
        }
        None => {}
    }
    let headers = message.headers.ok_or_else(strange)?;
    let header = |name: &'static str| headers.get(name).map(|value| value.as_str());
    let sequence = header("Nats-Sequence").and_then(|text| text.parse().ok());
    let at = header("Nats-Time-Stamp").and_then(EngineTime::parse);
    let (Some(sequence), Some(at)) = (sequence, at) else {
        return Err(strange());
    };
    Ok(Some(Raw {
        sequence,
        at,
        headers: Headers::Map(headers),
        payload: message.payload,
    }))
}

fn told<T: DeserializeOwned>(message: &Message) -> Told<T> {
    #[derive(Deserialize)]
    struct Envelope {
        error: Option<Fault>,
    }
    match serde_json::from_slice(&message.payload) {
        Ok(Envelope { error: Some(fault) }) => Ok(Err(fault)),
        Ok(Envelope { error: None }) => match serde_json::from_slice(&message.payload) {
            Ok(told) => Ok(Ok(told)),
            Err(_) => Err(strange()),
        },
        Err(_) => Err(strange()),
    }
}

fn strange() -> BrokerError {
    BrokerError::Unanswered("its answer makes no sense".into())
}
