//! What a publication allocates does not depend on how many listen.
#![cfg(target_os = "linux")]

use std::{
    alloc::System,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use encke::{ChannelHandle, Hub};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tokio::{net::TcpListener, runtime::Runtime};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const FEW: usize = 10;
const MANY: usize = 200;
const PUBLICATIONS: usize = 50;

/// A server of this process, its channel, and those who listen to it.
struct Served {
    runtime: Runtime,
    channel: ChannelHandle,
    address: SocketAddr,
    listeners: Vec<TcpStream>,
}

impl Served {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let hub = Hub::default();
        let channel = hub.channel("news").expect("a name");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move { encke::serve(listener, hub.live()).await });
        Self {
            runtime,
            channel,
            address,
            listeners: Vec::new(),
        }
    }

    /// Has that many listen.
    fn listen(&mut self, query: &str, headers: &str, count: usize) {
        while self.listeners.len() < count {
            let mut socket = TcpStream::connect(self.address).expect("it listens");
            write!(
                socket,
                "GET /news{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
            )
            .expect("it reads");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).expect("it answers");
                head.extend(byte);
            }
            self.listeners.push(socket);
        }
        // What grows with the first publication has grown.
        self.publish();
    }

    /// Publishes, and waits until all have it.
    fn publish(&mut self) {
        self.runtime
            .block_on(self.channel.publish("it ends here~").into_future())
            .expect("it is taken");
        let mut buffer = [0; 64 << 10];
        for socket in &mut self.listeners {
            let mut arrived = false;
            while !arrived {
                let length = socket.read(&mut buffer).expect("it sends");
                assert!(length > 0, "it closed a connection");
                arrived = buffer[..length].contains(&b'~');
            }
        }
    }

    /// Allocations per publication.
    fn allocations(&mut self) -> f64 {
        let region = Region::new(ALLOCATOR);
        for _ in 0..PUBLICATIONS {
            self.publish();
        }
        region.change().allocations as f64 / PUBLICATIONS as f64
    }
}

#[test]
fn a_publication_allocates_nothing_per_subscriber() {
    let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (query, headers) in [
        ("", handshake),
        ("?transport=sse", ""),
        ("?callback=parent.push", ""),
        ("?transport=ndjson", ""),
    ] {
        let mut served = Served::start();
        served.listen(query, headers, FEW);
        let few = served.allocations();
        served.listen(query, headers, MANY);
        let many = served.allocations();
        let each = (many - few) / (MANY - FEW) as f64;
        assert!(
            each < 0.05,
            "{query} {headers}: {few} with few, {many} with many"
        );
    }
}
