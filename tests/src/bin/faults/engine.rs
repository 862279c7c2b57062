//! The engine under the nodes, and what can be done to it.
//!
//! One more engine of a single server is one more [`Server`].

use std::net::SocketAddr;

use encke_tests::{Nats, Proxy, Redis, RedisCluster};

use crate::plan::Fault;

/// Masters of the cluster, each with a replica: node 0 and node 3, and so on.
pub(crate) const PAIRS: usize = 3;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Redis,
    RedisCluster,
    Nats,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Redis, Self::RedisCluster, Self::Nats];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::RedisCluster => "redis-cluster",
            Self::Nats => "nats",
        }
    }
}

/// A running engine that keeps what it has answered for, unless it is made to forget.
pub(crate) enum Engine {
    /// One server, and the way of each node to it.
    One(Box<Server>, Vec<Proxy>),
    /// With a proxy in front of each of its servers.
    Cluster(Cluster),
}

/// A server of one kind.
pub(crate) enum Server {
    Redis(Redis),
    Nats(Nats),
}

pub(crate) struct Cluster {
    cluster: RedisCluster,
    running: [bool; 2 * PAIRS],
}

impl Engine {
    pub(crate) async fn start(kind: Kind, nodes: usize) -> Self {
        let server = match kind {
            Kind::Redis => Server::Redis(Redis::builder().with_data().start().await),
            Kind::Nats => Server::Nats(Nats::start().await),
            Kind::RedisCluster => {
                let cluster = RedisCluster::builder()
                    .with_replicas()
                    .with_proxies()
                    .with_data();
                return Self::Cluster(Cluster {
                    cluster: cluster.start().await,
                    running: [true; 2 * PAIRS],
                });
            }
        };
        let mut links = Vec::new();
        for _ in 0..nodes {
            links.push(Proxy::to(server.address()).await);
        }
        Self::One(Box::new(server), links)
    }

    /// The URL for a node.
    pub(crate) fn url(&self, node: usize) -> String {
        match self {
            Self::One(server, links) => server.url_at(links[node].address()),
            Self::Cluster(Cluster { cluster, .. }) => cluster.url(),
        }
    }

    /// How many ways there are that can be cut: of a node to the server, or of all nodes to one.
    pub(crate) fn links(&self) -> usize {
        match self {
            Self::One(_, links) => links.len(),
            Self::Cluster(_) => 2 * PAIRS,
        }
    }

    pub(crate) fn link(&self, link: usize) -> &Proxy {
        match self {
            Self::One(_, links) => &links[link],
            Self::Cluster(Cluster { cluster, .. }) => cluster.proxy(link),
        }
    }

    /// Whether it may lose what it has answered for: whether a replica, which is told later, takes over
    /// by itself from a master that is away for a second.
    pub(crate) async fn may_lose(&self, loses: bool) {
        let Self::Cluster(Cluster { cluster, .. }) = self else {
            return;
        };
        let never = if loses { "no" } else { "yes" };
        for node in cluster.nodes() {
            let setting = ["CONFIG", "SET", "cluster-replica-no-failover", never];
            node.command(&setting).await;
            // So that it is the same when it is restarted.
            node.command(&["CONFIG", "REWRITE"]).await;
        }
    }

    /// Begins a fault of the engine's own.
    pub(crate) async fn begin(&mut self, fault: Fault) {
        match self {
            Self::One(server, _) => server.begin(fault).await,
            Self::Cluster(cluster) => cluster.begin(fault).await,
        }
    }

    /// Undoes it.
    pub(crate) async fn end(&mut self, fault: Fault) {
        match (self, fault) {
            (Self::One(server, _), Fault::EngineKilled) => server.restart().await,
            (Self::One(server, _), Fault::EnginePaused) => server.resume(),
            (Self::One(server, _), Fault::EngineSetBack) => server.set_back().await,
            (Self::Cluster(cluster), Fault::ReplicaKilled(pair) | Fault::MasterKilled(pair)) => {
                cluster.restart_pair(pair).await;
            }
            (Self::Cluster(cluster), Fault::MasterPaused(pair)) => cluster.resume_pair(pair),
            (Self::Cluster(cluster), Fault::FailedOver(pair)) => cluster.fail_over(pair).await,
            _ => {}
        }
    }

    /// Returns when it can do all that it is for.
    pub(crate) async fn wait_until_ready(&self) {
        if let Self::Cluster(Cluster { cluster, .. }) = self {
            cluster.wait_until_ready().await;
        }
    }
}

impl Server {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Redis(redis) => redis.address(),
            Self::Nats(nats) => nats.address(),
        }
    }

    fn url_at(&self, address: SocketAddr) -> String {
        match self {
            Self::Redis(redis) => redis.url_at(address),
            Self::Nats(nats) => nats.url_at(address),
        }
    }

    async fn begin(&mut self, fault: Fault) {
        match (self, fault) {
            (Self::Redis(redis), Fault::EngineKilled) => redis.kill().await,
            (Self::Redis(redis), Fault::EngineEmptied) => redis.restart_without_data().await,
            (Self::Redis(redis), Fault::EnginePaused) => redis.pause(),
            (Self::Redis(redis), Fault::EngineSetBack) => redis.remember(),
            (Self::Nats(nats), Fault::EngineKilled) => nats.kill().await,
            (Self::Nats(nats), Fault::EngineEmptied) => nats.restart_without_data().await,
            (Self::Nats(nats), Fault::EnginePaused) => nats.pause(),
            (Self::Nats(nats), Fault::EngineSetBack) => nats.remember(),
            _ => {}
        }
    }

    async fn restart(&mut self) {
        match self {
            Self::Redis(redis) => redis.restart().await,
            Self::Nats(nats) => nats.restart().await,
        }
    }

    async fn set_back(&mut self) {
        match self {
            Self::Redis(redis) => redis.restart_as_remembered().await,
            Self::Nats(nats) => nats.restart_as_remembered().await,
        }
    }

    fn resume(&mut self) {
        match self {
            Self::Redis(redis) => redis.resume(),
            Self::Nats(nats) => nats.resume(),
        }
    }
}

impl Cluster {
    async fn begin(&mut self, fault: Fault) {
        match fault {
            Fault::MasterRestarted(pair) => {
                let master = self.master(pair).await;
                self.cluster.node_mut(master).restart().await;
            }
            Fault::MasterEmptied(pair) => {
                let master = self.master(pair).await;
                self.cluster.node_mut(master).restart_without_data().await;
            }
            Fault::MasterKilled(pair) => {
                let master = self.master(pair).await;
                self.running[master] = false;
                self.cluster.node_mut(master).kill().await;
            }
            Fault::ReplicaKilled(pair) => {
                let replica = self.replica(pair).await;
                self.running[replica] = false;
                self.cluster.node_mut(replica).kill().await;
            }
            Fault::MasterPaused(pair) => {
                let master = self.master(pair).await;
                self.running[master] = false;
                self.cluster.node_mut(master).pause();
            }
            Fault::FailedOver(pair) => {
                let replica = self.replica(pair).await;
                // A password that the master does not know keeps the replica away.
                self.ask(replica, &["CONFIG", "SET", "masterauth", "wrong"])
                    .await;
                self.ask(replica, &["CLIENT", "KILL", "TYPE", "master"])
                    .await;
            }
            _ => {}
        }
    }

    /// Which of the two is the master.
    async fn master(&self, pair: usize) -> usize {
        let first = self.cluster.nodes()[pair].command(&["ROLE"]).await;
        if first.starts_with("master") {
            pair
        } else {
            pair + PAIRS
        }
    }

    async fn replica(&self, pair: usize) -> usize {
        (self.master(pair).await + PAIRS) % (2 * PAIRS)
    }

    /// Has the replica take over, which was told nothing since the fault began.
    async fn fail_over(&self, pair: usize) {
        // Nobody waits for the others to agree, who may be cut off.
        let replica = self.replica(pair).await;
        self.ask(replica, &["CLUSTER", "FAILOVER", "TAKEOVER"])
            .await;
        self.ask(replica, &["CONFIG", "SET", "masterauth", ""])
            .await;
    }

    /// An error is an answer too: it may be what another fault has made of it.
    async fn ask(&self, node: usize, command: &[&str]) {
        let _ = self.cluster.nodes()[node].try_command(command).await;
    }

    async fn restart_pair(&mut self, pair: usize) {
        for node in [pair, pair + PAIRS] {
            if !self.running[node] {
                self.cluster.node_mut(node).restart().await;
                self.running[node] = true;
            }
        }
    }

    fn resume_pair(&mut self, pair: usize) {
        for node in [pair, pair + PAIRS] {
            if !self.running[node] {
                self.cluster.node_mut(node).resume();
                self.running[node] = true;
            }
        }
    }
}
