//! Whether the servers can be asked: what the commands say, and what the lines of announcements say.

use crate::broker::Link;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// What is known of both, told to whoever watches. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct LinkState {
    parts: Arc<Mutex<Parts>>,
    told: Arc<watch::Sender<Link>>,
}

/// Why something cannot be used; `None` where it can.
type Trouble = Option<Arc<str>>;

#[derive(Debug, Default)]
struct Parts {
    commands: Trouble,
    lines: Trouble,
}

impl LinkState {
    pub(super) fn new() -> Self {
        Self {
            parts: Arc::default(),
            told: Arc::new(watch::Sender::new(Link::Up)),
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<Link> {
        self.told.subscribe()
    }

    pub(super) fn commands(&self, trouble: Trouble) {
        self.tell(|parts| parts.commands = trouble);
    }

    pub(super) fn lines(&self, trouble: Trouble) {
        self.tell(|parts| parts.lines = trouble);
    }

    fn tell(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let link = match parts.commands.as_ref().or(parts.lines.as_ref()) {
            None => Link::Up,
            Some(reason) => Link::Down(reason.clone()),
        };
        self.told.send_if_modified(|told| {
            let is_news = *told != link;
            if is_news {
                match &link {
                    Link::Up => tracing::info!("the broker is back"),
                    Link::Down(reason) => tracing::warn!(%reason, "the broker is away"),
                }
                *told = link;
            }
            is_news
        });
    }
}
