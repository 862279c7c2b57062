//! The callback form of a socket.

use super::Incoming;
use encke_proto::ws::Closed;
use std::fmt;

/// Where an application says what is to be done with what comes in.
pub struct Callbacks<T> {
    message: Option<Box<dyn FnMut(T) + Send>>,
    close: Option<Box<dyn FnOnce(Closed) + Send>>,
}

impl<T> Callbacks<T> {
    pub(super) fn new() -> Self {
        Self {
            message: None,
            close: None,
        }
    }

    /// Calls `callback` for each message. Without one they are thrown away.
    ///
    /// It runs in the socket's own task: one that takes long holds up this socket.
    pub fn on_message(&mut self, callback: impl FnMut(T) + Send + 'static) {
        self.message = Some(Box::new(callback));
    }

    /// Calls `callback` once the socket has ended, however it did.
    pub fn on_close(&mut self, callback: impl FnOnce(Closed) + Send + 'static) {
        self.close = Some(Box::new(callback));
    }

    /// Calls them, until the socket has ended.
    pub(super) async fn run(mut self, mut incoming: Incoming<T>) {
        while let Some(item) = incoming.next().await {
            if let Some(message) = &mut self.message {
                message(item);
            }
        }
        if let (Some(close), Some(closed)) = (self.close, incoming.closed()) {
            close(closed);
        }
    }
}

impl<T> fmt::Debug for Callbacks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}
