//! Behind the faults of a round: everyone is ready, and then everyone has everything.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Campaign;
use crate::checker::{Checker, Marker};
use crate::door::Mode;
use crate::exchange::Receives;
use crate::payload::{CHANNELS, QUIET};
use crate::publisher::AT_WORK;
use crate::stream::{Start, Stream, Transport};

/// How long everyone may need to be ready, and then to have everything.
const READY_LIMIT: Duration = Duration::from_secs(30);
const CATCH_UP_LIMIT: Duration = Duration::from_secs(15);

const LOOK: Duration = Duration::from_millis(20);

impl Campaign {
    pub(super) async fn wait_until_ready(&mut self) {
        let begun = Instant::now();
        self.engine.wait_until_ready().await;
        for (number, node) in self.nodes.iter().enumerate() {
            while !node.is_ready().await {
                if self.checker.is_broken() {
                    return;
                }
                if begun.elapsed() > READY_LIMIT {
                    self.checker.fail(&format!(
                        "node {number} is not ready {READY_LIMIT:?} after the last fault"
                    ));
                    return;
                }
                sleep(LOOK).await;
            }
        }
        let taken = begun.elapsed();
        self.checker.trace(&format!("  ready after {taken:.1?}"));
        self.checker
            .count(|figures| figures.longest_until_ready = figures.longest_until_ready.max(taken));
    }

    /// Sees to it that everyone gets everything.
    pub(super) async fn settle(&mut self, round: u32) {
        let ready = Instant::now();
        let _ = self.mode.send(Mode::Settle);
        while AT_WORK.load(Ordering::SeqCst) > 0 {
            if self.checker.is_broken() {
                return;
            }
            if ready.elapsed() > READY_LIMIT {
                return self
                    .checker
                    .fail("publishers get no answers although everything is ready");
            }
            sleep(LOOK).await;
        }
        self.checker
            .trace(&format!("  publishers rest after {:.1?}", ready.elapsed()));
        let Some(markers) = self.publish_markers(round).await else {
            return;
        };
        let marked = Instant::now();
        loop {
            if self.checker.is_broken() {
                return;
            }
            if self.checker.behind(&markers).is_empty() {
                break;
            }
            if marked.elapsed() > CATCH_UP_LIMIT {
                let what = format!(
                    "not everyone has everything {CATCH_UP_LIMIT:?} after that was published:"
                );
                return self.checker.fail_behind(&markers, &what);
            }
            sleep(LOOK).await;
        }
        let taken = ready.elapsed();
        self.checker
            .trace(&format!("  caught up after {taken:.1?}"));
        self.checker.count(|figures| {
            figures.longest_until_caught_up = figures.longest_until_caught_up.max(taken)
        });
        self.audit(round as usize, &markers).await;
        self.checker.end_round(&markers);
    }

    /// Publishes what everyone has to get to; `None` where that does not work.
    async fn publish_markers(&mut self, round: u32) -> Option<Vec<Marker>> {
        let mut markers = Vec::new();
        for (index, channel) in (0..).zip(CHANNELS) {
            // What comes last there came amid the faults. If it was not announced, nothing tells of
            // it that is.
            if channel == QUIET && !self.checker.may_lose() {
                let kept = self.checker.last_kept(channel);
                markers.extend(kept.map(|at| Marker {
                    channel,
                    at,
                    is_new: false,
                }));
                continue;
            }
            let number = round * CHANNELS.len() as u32 + index;
            let publishing = self.marker.publish(number, channel, &self.world);
            let Ok(Some(at)) = timeout(CATCH_UP_LIMIT, publishing).await else {
                let what = "cannot be published although everything is ready";
                self.checker.fail(&format!("on {channel} nothing {what}"));
                return None;
            };
            markers.push(Marker {
                channel,
                at,
                is_new: true,
            });
        }
        Some(markers)
    }

    /// Has newcomers on every node read what it has of every channel.
    async fn audit(&self, round: usize, markers: &[Marker]) {
        let mut audits = JoinSet::new();
        let mut auditors = self.auditors.iter();
        for node in &self.nodes {
            for marker in markers.iter().copied() {
                let auditor = *auditors.next().expect("one for each node and channel");
                let transport = Transport::ALL[(round + auditor) % Transport::ALL.len()];
                let (door, checker) = (node.door.clone(), self.checker.clone());
                audits.spawn(async move {
                    let audit = audit(door.proxy.address(), transport, marker, auditor, &checker);
                    if timeout(CATCH_UP_LIMIT, audit)
                        .await
                        .unwrap_or(None)
                        .is_none()
                    {
                        checker.fail_behind(&[marker], "a newcomer is not given what there is:");
                    }
                    checker.remove_walks(auditor);
                });
            }
        }
        while audits.join_next().await.is_some() {}
    }
}

async fn audit(
    address: SocketAddr,
    transport: Transport,
    marker: Marker,
    auditor: usize,
    checker: &Checker,
) -> Option<()> {
    let opening = Stream::open(
        address,
        transport,
        &[marker.channel],
        &Start::Recent(100),
        Receives::Much,
    )
    .await;
    let mut stream = opening.ok()?;
    let mut at = None;
    while !at.is_some_and(|at| marker.is_reached(at)) {
        let Some(item) = stream.next_or_alive().await.ok()?? else {
            continue;
        };
        match at {
            None => checker.opened(auditor, &[marker.channel], &item.positions),
            Some(_) => checker.given(auditor, &[marker.channel], &item),
        }
        at = item.positions.first().copied();
    }
    Some(())
}
