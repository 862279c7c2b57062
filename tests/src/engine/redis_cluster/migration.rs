//! Slots that move from one master to another.

use super::RedisCluster;

impl RedisCluster {
    /// Moves a slot and its keys to another master.
    pub async fn migrate_slot(&self, slot: u16, to: usize) {
        self.begin_migration(slot, to).await;
        self.finish_migration(slot, to).await;
    }

    /// Leaves the keys of a slot where they are, and has new ones made at `to`.
    pub async fn begin_migration(&self, slot: u16, to: usize) {
        let from = self.master(slot).await;
        let slot = slot.to_string();
        let [source, target] = [from, to].map(|node| self.ids[node].as_str());
        self.nodes[to]
            .command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", source])
            .await;
        self.nodes[from]
            .command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", target])
            .await;
    }

    /// Moves the keys that are left, and then the slot.
    pub async fn finish_migration(&self, slot: u16, to: usize) {
        let from = self.master(slot).await;
        let slot = slot.to_string();
        self.move_keys(&slot, from, to).await;
        let target = self.ids[to].clone();
        // The one that has it tells the others; these two have to know at once.
        for node in [to, from] {
            self.nodes[node]
                .command(&["CLUSTER", "SETSLOT", &slot, "NODE", &target])
                .await;
        }
        self.wait_until_ready().await;
    }

    async fn move_keys(&self, slot: &str, from: usize, to: usize) {
        let source = &self.nodes[from];
        let port = self.nodes[to].address().port().to_string();
        loop {
            let list: [&[u8]; 4] = [b"CLUSTER", b"GETKEYSINSLOT", slot.as_bytes(), b"100"];
            let keys = source.ask(&list).await.expect("it runs").into_list();
            if keys.is_empty() {
                return;
            }
            let keys: Vec<Vec<u8>> = keys.into_iter().map(|key| key.into_bytes()).collect();
            let mut migrate: Vec<&[u8]> = vec![b"MIGRATE", b"127.0.0.1", port.as_bytes()];
            migrate.extend([b"".as_slice(), b"0", b"5000", b"KEYS"]);
            migrate.extend(keys.iter().map(Vec::as_slice));
            source.ask(&migrate).await.expect("keys can be moved");
        }
    }
}
