//! A Redis Cluster: three masters, and a replica of each if wanted.

mod builder;
pub use builder::RedisClusterBuilder;

mod member;
mod migration;

use std::net::SocketAddr;

use super::Redis;
use crate::patience::Patience;
use crate::proxy::Proxy;
use member::Member;

const MASTERS: usize = 3;

/// A running cluster on free ports, killed when dropped.
///
/// Its nodes are counted from 0, the masters first. Whichever of them is master later, node 3 and
/// node 0 stay each other's, and so on.
pub struct RedisCluster {
    nodes: Vec<Redis>,
    ids: Vec<String>,
    proxies: Vec<Proxy>,
}

impl RedisCluster {
    /// Starts three masters that forget everything when they end.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// For one that is not quite like that.
    pub fn builder() -> RedisClusterBuilder {
        RedisClusterBuilder::default()
    }

    /// `redis://A,B,C` with the address of every node.
    #[must_use]
    pub fn url(&self) -> String {
        let nodes = 0..self.nodes.len();
        let addresses: Vec<String> = nodes.map(|node| self.address(node).to_string()).collect();
        format!("redis://{}", addresses.join(","))
    }

    /// Where clients find a node: at its proxy, if it has one.
    #[must_use]
    pub fn address(&self, node: usize) -> SocketAddr {
        let proxy = self.proxies.get(node).map(Proxy::address);
        proxy.unwrap_or_else(|| self.nodes[node].address())
    }

    /// All nodes, running or not.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// One node, to be killed, paused or restarted.
    pub fn node_mut(&mut self, node: usize) -> &mut Redis {
        &mut self.nodes[node]
    }

    /// What clients, and replicas of the node, have between it and them.
    ///
    /// # Panics
    /// When it was started without.
    #[must_use]
    pub fn proxy(&self, node: usize) -> &Proxy {
        let proxy = self.proxies.get(node);
        proxy.expect("the cluster was started with proxies")
    }

    /// The slot of a key.
    pub async fn slot(&self, key: &str) -> u16 {
        let node = self.any();
        let slot = node.command(&["CLUSTER", "KEYSLOT", key]).await;
        slot.parse().expect("a number")
    }

    /// The node that serves `slot`.
    pub async fn master(&self, slot: u16) -> usize {
        let masters = Member::serving(self.any()).await.expect("it runs");
        let master = masters.iter().find(|member| member.serves(slot));
        let master = master.unwrap_or_else(|| panic!("nobody serves slot {slot}"));
        self.index(&master.id)
    }

    /// Waits until every running node finds the cluster complete, and every running replica has
    /// what its master has.
    pub async fn wait_until_ready(&self) {
        let patience = Patience::until("the cluster is ready");
        while let Err(reason) = self.check().await {
            patience.wait(reason).await;
        }
    }

    /// Has the replica take the place of `master`, dead or alive, and says which it is.
    pub async fn fail_over(&self, master: usize) -> usize {
        let replica = partner(master);
        let replica = self.nodes.get(replica);
        let replica = replica.expect("the cluster was started with replicas");
        replica.command(&["CLUSTER", "FAILOVER", "TAKEOVER"]).await;
        self.wait_for_failover(master).await
    }

    /// Waits until everyone knows that the replica has taken the place of `master`, and says which
    /// it is.
    pub async fn wait_for_failover(&self, master: usize) -> usize {
        let replica = partner(master);
        let patience = Patience::until(format!("node {replica} has replaced node {master}"));
        loop {
            let reason = match self.unaware_of(replica).await {
                Some(node) => format!("node {node} does not know"),
                None => match self.check().await {
                    Ok(()) => return replica,
                    Err(reason) => reason,
                },
            };
            patience.wait(reason).await;
        }
    }

    fn any(&self) -> &Redis {
        let (_, node) = self.running().next().expect("a node runs");
        node
    }

    fn index(&self, id: &str) -> usize {
        let index = self.ids.iter().position(|known| known == id);
        index.unwrap_or_else(|| panic!("{id} is none of the nodes"))
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Redis)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(_, node)| node.is_running())
    }

    /// What keeps the cluster from being ready.
    async fn check(&self) -> Result<(), String> {
        let mut masters = None;
        for (index, node) in self.running() {
            let told = |what: String| format!("node {index}: {what}");
            self.check_node(index).await.map_err(told)?;
            let seen = Member::serving(node).await.map_err(told)?;
            let agreed = masters.get_or_insert_with(|| seen.clone());
            if *agreed != seen {
                return Err(told(format!("{seen:?} are the masters, not {agreed:?}")));
            }
        }
        Ok(())
    }

    async fn check_node(&self, index: usize) -> Result<(), String> {
        let node = &self.nodes[index];
        let info = node.try_command(&["CLUSTER", "INFO"]).await?;
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        for expected in ["cluster_state:ok", &known] {
            if !info.lines().any(|line| line == expected) {
                return Err(format!("not {expected}, but {info}"));
            }
        }
        let role = node.try_command(&["ROLE"]).await?;
        // Without its master, a replica has to wait.
        let alone = || !self.nodes[partner(index)].is_running();
        if role.starts_with("slave") && !role.contains("\nconnected\n") && !alone() {
            return Err(format!("it is {role}"));
        }
        Ok(())
    }

    /// A running node that does not know yet that `master` is one.
    async fn unaware_of(&self, master: usize) -> Option<usize> {
        let id = self.ids[master].clone();
        for (index, node) in self.running() {
            let masters = Member::serving(node).await.unwrap_or_default();
            if !masters.iter().any(|known| known.id == id) {
                return Some(index);
            }
        }
        None
    }
}

/// The other node with the same keys.
fn partner(node: usize) -> usize {
    (node + MASTERS) % (2 * MASTERS)
}
