//! Brokers as the contract sees them: something that several nodes connect to.

use encke::{Hub, HubConfig};
use encke_tests::{Nats, NatsCluster, Proxy, Redis, RedisCluster};
use std::sync::OnceLock;

/// A broker that runs for one test.
pub(crate) trait Backend: Sync {
    async fn start() -> Self;

    /// Another node.
    async fn node(&self, config: HubConfig) -> Hub;
}

/// No broker: every node is the one hub there is.
pub(crate) struct Memory(OnceLock<Hub>);

impl Backend for Memory {
    async fn start() -> Self {
        Self(OnceLock::new())
    }

    async fn node(&self, config: HubConfig) -> Hub {
        self.0.get_or_init(|| Hub::new(config)).clone()
    }
}

/// A broker that can be broken.
pub(crate) trait Engine: Backend {
    /// A node that a network lies before.
    async fn distant_node(&self, config: HubConfig) -> Hub;

    /// That network.
    fn network(&self) -> Vec<&Proxy>;

    /// Ends it at once, all of it.
    async fn kill(&mut self);

    /// Starts it again with what it had.
    async fn restart(&mut self);

    /// Starts it again with nothing.
    async fn restart_without_data(&mut self);

    /// Keeps a copy of what it has.
    fn remember(&mut self);

    /// Starts it again with that copy.
    async fn restart_as_remembered(&mut self);

    /// Stops it without ending it.
    fn pause(&mut self);

    /// Lets it go on.
    fn resume(&mut self);
}

/// One Redis that writes everything down.
pub(crate) struct OneRedis {
    redis: Redis,
    network: Proxy,
}

impl Backend for OneRedis {
    async fn start() -> Self {
        let redis = Redis::builder().with_data().start().await;
        let network = Proxy::to(redis.address()).await;
        Self { redis, network }
    }

    async fn node(&self, config: HubConfig) -> Hub {
        connect(&self.redis.url(), config).await
    }
}

impl Engine for OneRedis {
    async fn distant_node(&self, config: HubConfig) -> Hub {
        connect(&self.redis.url_at(self.network.address()), config).await
    }

    fn network(&self) -> Vec<&Proxy> {
        vec![&self.network]
    }

    async fn kill(&mut self) {
        self.redis.kill().await;
    }

    async fn restart(&mut self) {
        self.redis.restart().await;
    }

    async fn restart_without_data(&mut self) {
        self.redis.restart_without_data().await;
    }

    fn remember(&mut self) {
        self.redis.remember();
    }

    async fn restart_as_remembered(&mut self) {
        self.redis.restart_as_remembered().await;
    }

    fn pause(&mut self) {
        self.redis.pause();
    }

    fn resume(&mut self) {
        self.redis.resume();
    }
}

/// A Redis Cluster of three masters that write everything down.
pub(crate) struct Cluster(RedisCluster);

const MASTERS: usize = 3;

impl Backend for Cluster {
    async fn start() -> Self {
        let cluster = RedisCluster::builder().with_data().with_proxies();
        Self(cluster.start().await)
    }

    async fn node(&self, config: HubConfig) -> Hub {
        connect(&self.0.url(), config).await
    }
}

impl Engine for Cluster {
    /// Every node of a cluster is told where the masters are, and that is behind the network.
    async fn distant_node(&self, config: HubConfig) -> Hub {
        self.node(config).await
    }

    fn network(&self) -> Vec<&Proxy> {
        (0..MASTERS).map(|master| self.0.proxy(master)).collect()
    }

    async fn kill(&mut self) {
        for master in 0..MASTERS {
            self.0.node_mut(master).kill().await;
        }
    }

    async fn restart(&mut self) {
        for master in 0..MASTERS {
            self.0.node_mut(master).restart().await;
        }
        self.0.wait_until_ready().await;
    }

    async fn restart_without_data(&mut self) {
        for master in 0..MASTERS {
            self.0.node_mut(master).restart_without_data().await;
        }
        self.0.wait_until_ready().await;
    }

    fn remember(&mut self) {
        for master in 0..MASTERS {
            self.0.node_mut(master).remember();
        }
    }

    async fn restart_as_remembered(&mut self) {
        for master in 0..MASTERS {
            self.0.node_mut(master).restart_as_remembered().await;
        }
        self.0.wait_until_ready().await;
    }

    fn pause(&mut self) {
        for master in 0..MASTERS {
            self.0.node_mut(master).pause();
        }
    }

    fn resume(&mut self) {
        for master in 0..MASTERS {
            self.0.node_mut(master).resume();
        }
    }
}

/// One NATS server with JetStream, which writes everything down.
pub(crate) struct OneNats {
    nats: Nats,
    network: Proxy,
}

impl Backend for OneNats {
    async fn start() -> Self {
        let nats = Nats::start().await;
        let network = Proxy::to(nats.address()).await;
        Self { nats, network }
    }

    async fn node(&self, config: HubConfig) -> Hub {
        connect(&self.nats.url(), config).await
    }
}

impl Engine for OneNats {
    async fn distant_node(&self, config: HubConfig) -> Hub {
        connect(&self.nats.url_at(self.network.address()), config).await
    }

    fn network(&self) -> Vec<&Proxy> {
        vec![&self.network]
    }

    async fn kill(&mut self) {
        self.nats.kill().await;
    }

    async fn restart(&mut self) {
        self.nats.restart().await;
    }

    async fn restart_without_data(&mut self) {
        self.nats.restart_without_data().await;
    }

    fn remember(&mut self) {
        self.nats.remember();
    }

    async fn restart_as_remembered(&mut self) {
        self.nats.restart_as_remembered().await;
    }

    fn pause(&mut self) {
        self.nats.pause();
    }

    fn resume(&mut self) {
        self.nats.resume();
    }
}

/// Three NATS servers, each with a replica of the stream where they are new enough for that.
pub(crate) struct ThreeNats(NatsCluster);

impl Backend for ThreeNats {
    async fn start() -> Self {
        Self(NatsCluster::start().await)
    }

    async fn node(&self, config: HubConfig) -> Hub {
        let replicas = NatsCluster::replicas().unwrap_or(1);
        connect(&format!("{}?replicas={replicas}", self.0.url()), config).await
    }
}

pub(crate) async fn connect(url: &str, config: HubConfig) -> Hub {
    match Hub::connect_with(url, config).await {
        Ok(hub) => hub,
        Err(error) => panic!("{error}"),
    }
}
