use super::*;
use crate::{
    Hub, HubConfig, Subscription,
    broker::{Announcements, Answer, Snapshot},
    log::Lineage,
};
use encke_proto::Epoch;
use std::{collections::VecDeque, future::ready, sync::Mutex};
use tokio::{sync::watch, task::JoinHandle, time::sleep};

/// A broker that answers what the test has prepared, and then nothing.
#[derive(Debug)]
struct Prepared {
    reads: Mutex<VecDeque<Result<Snapshot, BrokerError>>>,
    link: watch::Sender<Link>,
}

impl Prepared {
    fn new(reads: impl IntoIterator<Item = Result<Snapshot, BrokerError>>) -> Arc<Self> {
        Arc::new(Self {
            reads: Mutex::new(reads.into_iter().collect()),
            link: watch::Sender::new(Link::Up),
        })
    }
}

fn never<T: Send + 'static>() -> Answer<T> {
    Box::pin(std::future::pending())
}

impl Broker for Prepared {
    fn publish(&self, _: Publishing) -> Answer<Position> {
        never()
    }

    fn follow(&self, _: &Channel) {}

    fn unfollow(&self, _: &Channel) {}

    fn read(&self, _: &Channel, _: Option<Position>) -> Answer<Snapshot> {
        match self.reads.lock().unwrap().pop_front() {
            Some(answer) => Box::pin(ready(answer)),
            None => never(),
        }
    }

    fn heads(&self, _: &[Channel]) -> Answer<Vec<Option<Position>>> {
        never()
    }

    fn report(&self, _: &[(Channel, u64)], _: Duration) -> Answer<()> {
        never()
    }

    fn audience(&self, _: &Channel) -> Answer<(u64, Position)> {
        never()
    }

    fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }
}

const HEAD: Position = Position::new(Epoch::new(1), 7);

fn empty_at_head() -> Result<Snapshot, BrokerError> {
    Ok(Snapshot {
        head: HEAD,
        lineage: Lineage::default(),
        kept: Vec::new(),
    })
}

fn hub(broker: &Arc<Prepared>, patience: u64) -> (Hub, Announcements) {
    let config = HubConfig::default().broker_patience(Duration::from_secs(patience));
    let hub = Hub::over(config, broker.clone());
    let announcements = Announcements::default();
    announcements.reach(&hub);
    (hub, announcements)
}

fn subscribe(hub: &Hub) -> JoinHandle<Result<Subscription, Unavailable>> {
    let subscribe = hub.channel("news").unwrap().subscribe();
    tokio::spawn(subscribe.into_future())
}

fn news() -> Vec<Channel> {
    vec![Channel::new("news").unwrap()]
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_broker_outlasts_the_log_that_was_made_for_him() {
    let broker = Prepared::new([empty_at_head()]);
    broker.link.send_replace(Link::Down("away".into()));
    let (hub, announcements) = hub(&broker, 60);
    let subscribed = subscribe(&hub);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(
        hub.stats().channels,
        1,
        "its log was retired once, and made again"
    );
    broker.link.send_replace(Link::Up);
    announcements.followed(news());
    sleep(Duration::from_secs(1)).await;
    assert!(subscribed.is_finished());
    assert_eq!(subscribed.await.unwrap().unwrap().position(), HEAD);
}

#[tokio::test(start_paused = true)]
async fn a_first_read_that_failed_is_tried_again() {
    let unanswered = || Err(BrokerError::Unanswered("late".into()));
    let broker = Prepared::new([unanswered(), unanswered(), empty_at_head()]);
    let (hub, announcements) = hub(&broker, 5);
    let subscribed = subscribe(&hub);
    tokio::task::yield_now().await;
    announcements.followed(news());
    sleep(Duration::from_secs(1)).await;
    assert!(subscribed.is_finished());
    assert_eq!(subscribed.await.unwrap().unwrap().position(), HEAD);
}
