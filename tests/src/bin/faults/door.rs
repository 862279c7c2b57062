//! The ways in to the nodes, and what is going on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;

use encke_tests::Proxy;
use tokio::sync::watch;

/// The way to one node, whichever process that is.
pub(crate) struct Door {
    /// What clients have before the node.
    pub(crate) proxy: Proxy,
    node: Mutex<SocketAddr>,
}

impl Door {
    pub(crate) async fn new() -> Arc<Self> {
        // Led elsewhere once there is a node.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let proxy = Proxy::to(nowhere).await;
        proxy.refuse();
        Arc::new(Self {
            proxy,
            node: Mutex::new(nowhere),
        })
    }

    pub(crate) fn lead_to(&self, origin: &str) {
        self.proxy.cut_and_lead_to(origin);
        let address = origin
            .strip_prefix("http://")
            .and_then(|address| address.parse().ok());
        *self.node.lock().expect("no holder panics") = address.expect("an address");
        self.proxy.accept_again();
    }

    /// Where the node listens: for clients that no buffer may stand before.
    pub(crate) fn node(&self) -> SocketAddr {
        *self.node.lock().expect("no holder panics")
    }
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Whatever their habits are.
    Busy,
    /// Publishers get their answers and rest; listeners come, and read all they can get.
    Settle,
    End,
}

/// What clients have in common.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) doors: Vec<Arc<Door>>,
    pub(crate) mode: watch::Receiver<Mode>,
    pub(crate) checker: Arc<crate::checker::Checker>,
}

impl World {
    pub(crate) fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Returns when it is over, or when the mode is not this one any more.
    pub(crate) async fn while_in(&mut self, mode: Mode, wait: impl Future<Output = ()>) {
        tokio::select! {
            () = wait => {}
            _ = self.mode.wait_for(|now| *now != mode) => {}
        }
    }
}
