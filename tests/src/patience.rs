//! Waiting for what others do, with a limit.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long an engine may take for anything it is asked.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// What is waited for, and until when.
pub(crate) struct Patience {
    event: String,
    deadline: Instant,
}

impl Patience {
    pub(crate) fn until(event: impl Into<String>) -> Self {
        Self {
            event: event.into(),
            deadline: Instant::now() + PATIENCE,
        }
    }

    /// Waits a moment before the next look.
    ///
    /// # Panics
    /// When there were looks for half a minute, telling what the last one saw.
    pub(crate) async fn wait(&self, seen: impl Display) {
        let late = Instant::now() >= self.deadline;
        assert!(!late, "waited {PATIENCE:?} until {}: {seen}", self.event);
        sleep(POLL).await;
    }
}
