//! Questions to the servers and their answers, over one subscription.
//!
//! The client's own requests stay in its memory for ever where no answer comes, and wait for it where
//! the connection that would bring it is gone. Invariant: what is not asked for any more leaves no
//! trace, and nothing waits for a lost connection.

use crate::{
    broker::{ANSWER_LIMIT, BrokerError, Link},
    random,
};
use async_nats::{
    Client, HeaderMap, Message, Subscriber,
    client::{PublishError, PublishErrorKind},
};
use bytes::Bytes;
use futures_util::StreamExt;
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::AbortHandle,
    time::{Instant, timeout_at},
};

/// Questions that may be on their way at once. The client drops answers above its capacity.
const QUESTIONS: usize = 4096;

/// Asks over one connection.
pub(super) struct Requests {
    client: Client,
    /// What the subjects of all answers begin with.
    inbox: String,
    link: watch::Sender<Link>,
    waiting: Arc<Waiting>,
    last: AtomicU64,
    questions: Semaphore,
    answers: AbortHandle,
}

#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<u64, mpsc::UnboundedSender<Message>>>);

impl Requests {
    /// Begins to listen for answers.
    pub(super) async fn new(
        client: Client,
        link: watch::Sender<Link>,
    ) -> Result<Self, BrokerError> {
        let bytes: [u8; 12] = random::bytes();
        let id: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let inbox = format!("_INBOX.{id}.");
        let subscriber = client.subscribe(format!("{inbox}*")).await;
        let subscriber = subscriber.map_err(|error| BrokerError::Away(error.to_string().into()))?;
        let waiting = Arc::<Waiting>::default();
        let pass_on = pass_on(subscriber, inbox.len(), waiting.clone());
        Ok(Self {
            client,
            inbox,
            link,
            waiting,
            last: AtomicU64::new(0),
            questions: Semaphore::new(QUESTIONS),
            answers: tokio::spawn(pass_on).abort_handle(),
        })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// One question and its answer, unless the connection is known to be gone.
    pub(super) async fn ask(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, BrokerError> {
        if let Link::Down(reason) = &*self.link.borrow() {
            return Err(BrokerError::Away(reason.clone()));
        }
        self.ask_anyway(subject, headers, payload).await
    }

    /// One question and its answer, whatever is known of the connection.
    pub(super) async fn ask_anyway(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, BrokerError> {
        let deadline = Instant::now() + ANSWER_LIMIT;
        let busy = |_| BrokerError::Away("too many questions are on their way".into());
        let permit = timeout_at(deadline, self.questions.acquire()).await;
        let _permit = permit.map_err(busy)?;
        let mut answers = self.listen();
        self.send(&answers, subject, headers, payload, deadline)
            .await?;
        answers.next(deadline).await
    }

    /// A place for answers; they come until it is dropped.
    pub(super) fn listen(&self) -> Answers {
        let (sender, receiver) = mpsc::unbounded_channel();
        let token = self.last.fetch_add(1, Ordering::Relaxed);
        self.waiting.lock().insert(token, sender);
        Answers {
            token,
            receiver,
            waiting: self.waiting.clone(),
        }
    }

    /// Sends a question whose answers come to this place.
    pub(super) async fn send(
        &self,
        answers: &Answers,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<(), BrokerError> {
        let reply = format!("{}{}", self.inbox, answers.token);
        let sending = async {
            match headers {
                Some(headers) => {
                    let client = &self.client;
                    client
                        .publish_with_reply_and_headers(subject, reply, headers, payload)
                        .await
                }
                None => {
                    self.client
                        .publish_with_reply(subject, reply, payload)
                        .await
                }
            }
        };
        match timeout_at(deadline, sending).await {
            Ok(sent) => sent.map_err(not_sent),
            Err(_) => Err(BrokerError::Away("the connection takes nothing".into())),
        }
    }

    /// The name of a consumer whose messages come to this place.
    pub(super) fn consumer(&self, answers: &Answers) -> String {
        let id = self.inbox.split('.').nth(1).unwrap_or_default();
        format!("encke-{id}-{}", answers.token)
    }

    /// The connection is gone, and with it what was to be answered.
    pub(super) fn give_up(&self) {
        self.waiting.lock().clear();
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").finish_non_exhaustive()
    }
}

/// Where the answers to a question come.
pub(super) struct Answers {
    token: u64,
    receiver: mpsc::UnboundedReceiver<Message>,
    waiting: Arc<Waiting>,
}

impl Answers {
    /// The next answer.
    pub(super) async fn next(&mut self, deadline: Instant) -> Result<Message, BrokerError> {
        match timeout_at(deadline, self.receiver.recv()).await {
            Ok(Some(message)) if is_no_responders(&message) => Err(BrokerError::Away(
                "nobody answers there: the server has no JetStream now, or the stream is gone"
                    .into(),
            )),
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(BrokerError::Unanswered("the connection was lost".into())),
            Err(_) => {
                let reason = format!("no answer within {ANSWER_LIMIT:?}");
                Err(BrokerError::Unanswered(reason.into()))
            }
        }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.token);
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, mpsc::UnboundedSender<Message>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_on(&self, token: Option<&str>, message: Message) {
        let Some(token) = token.and_then(|token| token.parse().ok()) else {
            return;
        };
        if let Some(sender) = self.lock().get(&token) {
            let _ = sender.send(message);
        }
    }
}

/// Brings every answer where it is waited for.
async fn pass_on(mut answers: Subscriber, inbox: usize, waiting: Arc<Waiting>) {
    while let Some(message) = answers.next().await {
        // What a consumer delivers keeps the subject it was published to.
        let token = match &message.reply {
            Some(reply) if reply.starts_with("$JS.ACK.") => {
                // "$JS.ACK.<stream>.<consumer>…", or with domain and account before the stream.
                let tokens = reply.split('.');
                let mut consumers = tokens.filter_map(|token| token.strip_prefix("encke-"));
                consumers
                    .next()
                    .and_then(|name| Some(name.rsplit_once('-')?.1.to_owned()))
            }
            _ => message.subject.get(inbox..).map(str::to_owned),
        };
        waiting.pass_on(token.as_deref(), message);
    }
}

fn is_no_responders(message: &Message) -> bool {
    message.status == Some(async_nats::StatusCode::NO_RESPONDERS)
}

fn not_sent(error: PublishError) -> BrokerError {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => BrokerError::Refused(
            format!("it is larger than max_payload of the server: {error}").into(),
        ),
        _ => BrokerError::Away(error.to_string().into()),
    }
}
