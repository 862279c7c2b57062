//! What clients leave behind: nothing. One test, as it counts the descriptors of its process.

#![cfg(target_os = "linux")]

mod listener;

use encke::{Hub, HubConfig};
use listener::{Listener, PATIENCE, Way};
use std::{fs, time::Duration};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn wait_until(done: impl Fn() -> bool, what: &str) {
    let wait = async {
        while !done() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect(what);
}

#[tokio::test]
async fn clients_leave_no_descriptor_and_no_channel_behind() {
    let hub = Hub::new(HubConfig::default());
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let server = encke::serve(tcp, listener::open(&hub)).shards(1);
    tokio::spawn(server.into_future());
    let first = Listener::open(address, "/live/first", "").await;
    Way::Detached.is_taken(&hub).await;
    drop(first);
    wait_until(|| hub.stats().sessions == 0, "an empty hub").await;
    let before = descriptors();
    for round in 0..10 {
        let mut clients = Vec::new();
        for client in 0..20 {
            let transport = ["transport=sse", "transport=ndjson", "callback=parent.f"][client % 3];
            let path = format!("/live/{round}/{client}?channel=all&{transport}");
            clients.push(Listener::open(address, &path, "").await);
        }
        Way::Detached.is_taken(&hub).await;
        hub.channel("all").unwrap().publish("kiki").await.unwrap();
        for client in &mut clients {
            client.until("kiki").await;
        }
        drop(clients);
    }
    wait_until(|| hub.stats().sessions == 0, "an empty hub").await;
    wait_until(|| descriptors() == before, "no descriptor more").await;
    assert!(hub.stats().channels > 200);
    tokio::time::pause();
    // Longer than a client may be away and recover.
    sleep(Duration::from_secs(700)).await;
    assert_eq!(hub.stats().channels, 0);
}
