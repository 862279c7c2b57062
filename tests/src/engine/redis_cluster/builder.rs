//! Single nodes, made a cluster.

use futures_util::future::join_all;

use super::{MASTERS, RedisCluster, partner};
use crate::engine::{Redis, RedisBuilder};
use crate::patience::Patience;
use crate::proxy::Proxy;

const SLOTS: usize = 16_384;

/// What a [`RedisCluster`] is started with.
#[derive(Default)]
#[must_use]
pub struct RedisClusterBuilder {
    replicas: bool,
    proxies: bool,
    keeps_data: bool,
}

impl RedisClusterBuilder {
    /// Every master has a replica.
    pub fn with_replicas(mut self) -> Self {
        self.replicas = true;
        self
    }

    /// Clients reach every node through a proxy of its own, which is where it says it is.
    pub fn with_proxies(mut self) -> Self {
        self.proxies = true;
        self
    }

    /// What a node has answered for survives it.
    pub fn with_data(mut self) -> Self {
        self.keeps_data = true;
        self
    }

    /// Starts it; returns once every node finds it complete.
    pub async fn start(self) -> RedisCluster {
        let count = if self.replicas { 2 * MASTERS } else { MASTERS };
        let nodes = join_all((0..count).map(|_| self.node().start())).await;
        let mut cluster = RedisCluster {
            ids: join_all(nodes.iter().map(id)).await,
            proxies: Vec::new(),
            nodes,
        };
        if self.proxies {
            cluster.add_proxies().await;
        }
        cluster.introduce().await;
        cluster.assign_slots().await;
        if self.replicas {
            cluster.assign_replicas().await;
        }
        cluster.wait_until_ready().await;
        cluster
    }

    fn node(&self) -> RedisBuilder {
        let node = Redis::builder()
            .setting("cluster-enabled yes")
            .setting("cluster-node-timeout 1000")
            // However old what it has is, a replica takes over, and it stays with its master.
            .setting("cluster-replica-validity-factor 0")
            .setting("cluster-allow-replica-migration no")
            .setting("repl-diskless-sync-delay 0");
        if self.keeps_data {
            return node.with_data();
        }
        node
    }
}

async fn id(node: &Redis) -> String {
    node.command(&["CLUSTER", "MYID"]).await
}

impl RedisCluster {
    async fn add_proxies(&mut self) {
        for node in &self.nodes {
            let proxy = Proxy::to(node.address()).await;
            let port = proxy.address().port().to_string();
            let announce = ["CONFIG", "SET", "cluster-announce-port", &port];
            node.command(&announce).await;
            // So that it says so too when it is restarted.
            node.command(&["CONFIG", "REWRITE"]).await;
            self.proxies.push(proxy);
        }
    }

    /// Everyone meets everyone, which is quicker than gossip.
    async fn introduce(&self) {
        for (index, node) in self.nodes.iter().enumerate() {
            let epoch = (index + 1).to_string();
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
        }
        for (index, node) in self.nodes.iter().enumerate() {
            for other in &self.nodes[..index] {
                let port = other.address().port().to_string();
                node.command(&["CLUSTER", "MEET", "127.0.0.1", &port]).await;
            }
        }
    }

    async fn assign_slots(&self) {
        for (index, node) in self.nodes.iter().take(MASTERS).enumerate() {
            let first = (index * SLOTS / MASTERS).to_string();
            let last = ((index + 1) * SLOTS / MASTERS - 1).to_string();
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                .await;
        }
    }

    async fn assign_replicas(&self) {
        for replica in MASTERS..self.nodes.len() {
            let master = &self.ids[partner(replica)];
            let patience = Patience::until("a replica knows its master");
            let replicate = ["CLUSTER", "REPLICATE", master];
            while let Err(error) = self.nodes[replica].try_command(&replicate).await {
                patience.wait(error).await;
            }
        }
    }
}
