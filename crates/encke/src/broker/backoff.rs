//! How long to wait before the next attempt: full jitter, so that nodes which lost an engine together
//! do not come back together.

use crate::random;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(3);

/// Waits that grow from attempt to attempt.
#[derive(Debug)]
pub(crate) struct Backoff {
    most: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { most: FIRST }
    }

    /// Any time from none to twice as long as last, up to 3 seconds.
    pub(crate) fn next(&mut self) -> Duration {
        let wait = self.most.mul_f64(random::fraction());
        self.most = (self.most * 2).min(LONGEST);
        wait
    }

    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.next()).await;
    }
}
