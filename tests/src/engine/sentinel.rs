//! A Redis, its replica, and the sentinels that put one in the place of the other.

use futures_util::future::join_all;

use super::Redis;
use crate::patience::Patience;

const MASTER: &str = "mymaster";
const NODES: usize = 2;

/// A running master and replica, watched by sentinels, all on free ports and killed when dropped.
///
/// The two Redis servers are counted from 0; the first master is node 0.
pub struct Sentinel {
    nodes: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Sentinel {
    /// Starts them with one sentinel.
    pub async fn start() -> Self {
        Self::start_with(1).await
    }

    /// Starts them with so many sentinels, of which more than half have to agree.
    pub async fn start_with(sentinels: usize) -> Self {
        let master = Redis::builder().setting("repl-diskless-sync-delay 0");
        let master = master.start().await;
        let port = master.address().port();
        let replica = Redis::builder()
            .setting("repl-diskless-sync-delay 0")
            .setting(&format!("replicaof 127.0.0.1 {port}"));
        let replica = replica.start().await;
        wait_until_replicating(&replica).await;

        let settings = [
            format!(
                "sentinel monitor {MASTER} 127.0.0.1 {port} {}",
                sentinels / 2 + 1
            ),
            format!("sentinel down-after-milliseconds {MASTER} 500"),
            format!("sentinel failover-timeout {MASTER} 3000"),
        ];
        let started = (0..sentinels).map(|_| Redis::start_sentinel(settings.to_vec()));
        let all = Self {
            nodes: vec![master, replica],
            sentinels: join_all(started).await,
        };
        all.wait_until_ready().await;
        all
    }

    /// `redis+sentinel://A,B,C/mymaster` with the address of every sentinel.
    #[must_use]
    pub fn url(&self) -> String {
        let sentinels = self.sentinels.iter();
        let addresses = sentinels.map(|sentinel| sentinel.address().to_string());
        let addresses: Vec<String> = addresses.collect();
        format!("redis+sentinel://{}/{MASTER}", addresses.join(","))
    }

    /// Master and replica, running or not.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// Master or replica, to be killed, paused or restarted.
    pub fn node_mut(&mut self, node: usize) -> &mut Redis {
        &mut self.nodes[node]
    }

    /// One sentinel, to be killed, paused or restarted.
    pub fn sentinel_mut(&mut self, sentinel: usize) -> &mut Redis {
        &mut self.sentinels[sentinel]
    }

    /// The node that the sentinels call master.
    pub async fn master(&self) -> usize {
        let asked = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let address = self.any().command(&asked).await.replace('\n', ":");
        let mut nodes = self.nodes.iter();
        let master = nodes.position(|node| node.address().to_string() == address);
        master.unwrap_or_else(|| panic!("{address} is none of the nodes"))
    }

    /// Kills the master, and says which it was.
    pub async fn kill_master(&mut self) -> usize {
        let master = self.master().await;
        self.nodes[master].kill().await;
        master
    }

    /// Has the replica take the master's place, and says which it is.
    ///
    /// The old master hears of it some 10 seconds later, and takes writes until then.
    pub async fn fail_over(&self) -> usize {
        let master = self.master().await;
        let patience = Patience::until("the replica is fit to be master");
        let asked = ["SENTINEL", "FAILOVER", MASTER];
        while let Err(error) = self.any().try_command(&asked).await {
            patience.wait(error).await;
        }
        self.wait_for_failover(master).await
    }

    /// Waits until the other has taken the place of `master`, and says which it is.
    pub async fn wait_for_failover(&self, master: usize) -> usize {
        let other = (master + 1) % NODES;
        let patience = Patience::until(format!("node {other} has replaced node {master}"));
        while self.master().await != other {
            patience.wait("the sentinels name the old one").await;
        }
        loop {
            let role = self.nodes[other].command(&["ROLE"]).await;
            if role.starts_with("master") {
                return other;
            }
            patience.wait(role).await;
        }
    }

    fn any(&self) -> &Redis {
        let mut sentinels = self.sentinels.iter();
        let running = sentinels.find(|sentinel| sentinel.is_running());
        running.expect("a sentinel runs")
    }

    /// Waits until every sentinel knows the replica and the other sentinels.
    async fn wait_until_ready(&self) {
        let others = (self.sentinels.len() - 1).to_string();
        for sentinel in &self.sentinels {
            let patience = Patience::until("a sentinel knows the others");
            loop {
                let state = sentinel.command(&["SENTINEL", "MASTER", MASTER]).await;
                let words: Vec<&str> = state.lines().collect();
                let is = |name, value| words.windows(2).any(|pair| pair == [name, value]);
                if is("num-slaves", "1") && is("num-other-sentinels", &others) {
                    break;
                }
                patience.wait(words.join(" ")).await;
            }
        }
    }
}

async fn wait_until_replicating(replica: &Redis) {
    let patience = Patience::until("the replica has what its master has");
    loop {
        let role = replica.command(&["ROLE"]).await;
        if role.contains("connected\n") {
            return;
        }
        patience.wait(role).await;
    }
}
