//! Memory that many connections took for a moment, given back to the system.
//!
//! To open a connection takes some 20 KB that its session does not need. glibc keeps what was freed
//! below the highest piece in use, so a crowd that came at once would leave the process as large as
//! it was then.

use std::time::Duration;

use encke::{Hub, Stats};
use tokio::time::{MissedTickBehavior, interval};

/// How often sessions are counted.
const PERIOD: Duration = Duration::from_millis(500);

/// Sessions that came or went, for which looking through the heap pays.
const CROWD: u64 = 512;

/// What may come and go within a period while it counts as quiet: what is given back in the middle of
/// a crowd is asked for again.
const QUIET: u64 = 64;

/// Gives memory back after each crowd, for as long as it is polled.
pub(crate) async fn give_back(hub: Hub) {
    let mut turnover = Turnover::default();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if turnover.crowd_has_passed(&hub.stats()) {
            trim();
        }
    }
}

/// How many sessions came and went.
#[derive(Debug, Default)]
struct Turnover {
    last: u64,
    /// When memory was given back.
    then: u64,
}

impl Turnover {
    fn crowd_has_passed(&mut self, stats: &Stats) -> bool {
        let gone = stats.gone + stats.stalled + stats.shut_down;
        // Who has gone had come, too.
        let now = stats.sessions as u64 + 2 * gone;
        let before = std::mem::replace(&mut self.last, now);
        let passed = now.abs_diff(before) < QUIET && now.abs_diff(self.then) >= CROWD;
        if passed {
            self.then = now;
        }
        passed
    }
}

/// Takes less than a millisecond after 10,000 sessions came.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(
    unsafe_code,
    reason = "5,000 idle sessions over SSE hold some 280 bytes each in place of 340 to 460"
)]
fn trim() {
    // SAFETY: it takes a number, and locks what it touches.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators give memory back themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(sessions: usize, gone: u64) -> Stats {
        let mut stats = Hub::default().stats();
        stats.sessions = sessions;
        stats.gone = gone;
        stats
    }

    #[test]
    fn memory_is_given_back_once_behind_each_crowd_and_not_within() {
        let mut turnover = Turnover::default();
        let mut passed = |sessions, gone| turnover.crowd_has_passed(&counted(sessions, gone));
        assert!(!passed(0, 0));
        assert!(!passed(3_000, 0));
        assert!(!passed(5_000, 0));
        assert!(passed(5_010, 0));
        assert!(!passed(5_010, 0));
        // They leave, and as many come in their place.
        assert!(!passed(5_010, 2_000));
        assert!(passed(5_010, 2_000));
        assert!(!passed(5_000, 2_010));
    }
}
