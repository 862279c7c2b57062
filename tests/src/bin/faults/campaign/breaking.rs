//! Faults, made and undone.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Campaign;
use crate::node::Order;
use crate::plan::{Fault, Plan};

impl Campaign {
    /// Makes and undoes the faults, each at its time or when those before it are done.
    pub(super) async fn break_things(&mut self, plan: &Plan) {
        let begun = Instant::now();
        let begins = plan
            .faults
            .iter()
            .map(|timed| (timed.begins, timed.fault, true));
        let ends = plan
            .faults
            .iter()
            .map(|timed| (timed.ends, timed.fault, false));
        let mut steps: Vec<_> = begins.chain(ends).collect();
        steps.sort_by_key(|(at, ..)| *at);
        for (at, fault, begins) in steps {
            sleep_until(begun + at).await;
            if self.checker.is_broken() {
                return;
            }
            match begins {
                true => {
                    self.checker.trace(&format!("  {fault}"));
                    self.checker
                        .count(|figures| *figures.faults.entry(fault.name()).or_default() += 1);
                    self.begin_fault(fault).await;
                }
                false => {
                    self.end_fault(fault).await;
                    self.checker.trace(&format!("  {fault}: over"));
                }
            }
        }
    }

    async fn begin_fault(&mut self, fault: Fault) {
        match fault {
            Fault::NodeKilled(node) => self.nodes[node].order(Order::Kill),
            Fault::NodeStopped(node) => self.nodes[node].order(Order::Stop),
            Fault::NodePaused(node) => self.nodes[node].order(Order::Pause),
            Fault::ClientsCut(node) => self.nodes[node].door.proxy.cut(),
            Fault::ClientsStalled(node) => self.nodes[node].door.proxy.stall(),
            Fault::ClientsSlow(node) => {
                self.nodes[node].door.proxy.delay(Duration::from_millis(30))
            }
            Fault::LinkCut(link) => self.engine.link(link).cut(),
            Fault::LinkRefused(link) => self.engine.link(link).refuse(),
            Fault::LinkStalled(link) => self.engine.link(link).stall(),
            Fault::EngineSlow => self.delay_links(Duration::from_millis(60)),
            _ => self.engine.begin(fault).await,
        }
    }

    async fn end_fault(&mut self, fault: Fault) {
        match fault {
            Fault::NodeKilled(node) | Fault::NodeStopped(node) => {
                self.nodes[node].order(Order::Start)
            }
            Fault::NodePaused(node) => self.nodes[node].order(Order::Resume),
            Fault::ClientsCut(_) | Fault::LinkCut(_) => {}
            Fault::ClientsStalled(node) => self.nodes[node].door.proxy.flow(),
            Fault::ClientsSlow(node) => self.nodes[node].door.proxy.delay(Duration::ZERO),
            Fault::LinkRefused(link) => self.engine.link(link).accept_again(),
            Fault::LinkStalled(link) => self.engine.link(link).flow(),
            Fault::EngineSlow => self.delay_links(Duration::ZERO),
            _ => self.engine.end(fault).await,
        }
    }

    fn delay_links(&self, delay: Duration) {
        for link in 0..self.engine.links() {
            self.engine.link(link).delay(delay);
        }
    }
}
