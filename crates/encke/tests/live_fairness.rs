//! One crowd of listeners, to whom something is published all the time, and those beside it in the
//! same shard. What they wait for is told in publications to the crowd.

mod listener;

use encke::{Hub, HubConfig};
use listener::{Listener, PATIENCE, Way, open};
use std::{
    future::poll_fn,
    mem,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

/// Several slices of a shard's pass, and several turns.
const CROWD: usize = 2_000;

/// Publications to the crowd within which everybody else has had their turn.
const BOUND: u64 = 100;

struct Crowd {
    hub: Hub,
    address: SocketAddr,
    published: Arc<AtomicU64>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Listeners that take everything, and somebody who never stops publishing.
    async fn gather() -> Self {
        let hub = Hub::new(HubConfig::default());
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        tokio::spawn(encke::serve(tcp, open(&hub)).shards(1).into_future());
        let mut tasks = JoinSet::new();
        for _ in 0..CROWD {
            let mut listener = Listener::open(address, "/live/crowd", "").await;
            tasks.spawn(async move {
                loop {
                    listener.item().await;
                }
            });
        }
        Way::Detached.is_taken(&hub).await;
        let published = Arc::new(AtomicU64::new(0));
        let (crowd, count) = (hub.channel("crowd").unwrap(), published.clone());
        tasks.spawn(async move {
            loop {
                crowd.publish("x".repeat(100)).await.unwrap();
                count.fetch_add(1, Relaxed);
                let_others_run().await;
            }
        });
        Self {
            hub,
            address,
            published,
            tasks,
        }
    }

    /// How much is published to the crowd until this is done.
    async fn cost<T>(&self, what: impl Future<Output = T>) -> (T, u64) {
        let before = self.published.load(Relaxed);
        let done = timeout(PATIENCE, what).await.expect("its turn");
        (done, self.published.load(Relaxed) - before)
    }
}

/// Goes on right behind who is waiting to run; tokio's own `yield_now` asks for IO first.
async fn let_others_run() {
    let mut ran = false;
    poll_fn(|cx| {
        if mem::replace(&mut ran, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[tokio::test]
async fn a_crowd_keeps_nobody_waiting() {
    let mut crowd = Crowd::gather().await;
    let aside = crowd.hub.channel("aside").unwrap();
    for round in 0..20 {
        let open = Listener::open(crowd.address, "/live/aside", "");
        let (mut newcomer, cost) = crowd.cost(open).await;
        assert!(cost < BOUND, "{round}: a newcomer waited for {cost}");
        newcomer.item().await;
        let number = round.to_string();
        aside.publish(number.as_str()).await.unwrap();
        let (item, cost) = crowd.cost(newcomer.item()).await;
        assert_eq!(item["data"], number);
        assert!(cost < BOUND, "{round}: another channel waited for {cost}");
    }
    crowd.tasks.shutdown().await;
}
