//! The callback form of a response: an application's future on one end, the body on the other.
//!
//! Between them is one item: a writer waits until the connection took the one before.

use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream::BoxStream;
use thiserror::Error;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::BoxError;

/// Why something could not be written to a response.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The client is gone, or the server gave up on it.
    #[error("client has left")]
    Closed,
    /// The item has no form that can be sent; nothing of it was, and the response goes on.
    #[error("item cannot be encoded")]
    Encode(#[source] BoxError),
}

/// The writer's end.
pub(crate) struct Outlet {
    items: mpsc::Sender<Bytes>,
    ended: Arc<AtomicBool>,
}

impl Outlet {
    pub(crate) async fn send(&self, bytes: Bytes) -> Result<(), SendError> {
        self.items.send(bytes).await.map_err(|_| SendError::Closed)
    }

    pub(crate) async fn closed(&self) {
        self.items.closed().await;
    }

    pub(crate) fn close(self) -> Result<(), SendError> {
        self.ended.store(true, Ordering::Release);
        if self.items.is_closed() {
            Err(SendError::Closed)
        } else {
            Ok(())
        }
    }
}

/// What the task writes, as a stream that starts the task when first polled.
///
/// So a response whose body nobody reads (HEAD, 204, 304) never starts it.
pub(crate) fn stream<F, Fut, E>(callback: F) -> BoxStream<'static, Result<Bytes, BoxError>>
where
    F: FnOnce(Outlet) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    Box::pin(Written::Unstarted(Some(|outlet| {
        let future = callback(outlet);
        tokio::spawn(async move { report(future.await.map_err(Into::into)) })
    })))
}

/// An error would be lost with the body of a client that has left.
fn report(result: Result<(), BoxError>) -> Result<(), BoxError> {
    match result {
        Err(error) if is_closed(error.as_ref()) => Ok(()),
        Err(error) => {
            tracing::warn!(error = %error, "response cut short by its callback");
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// Whether the client's leaving is at the bottom of an error: no failure of the application.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(|error| matches!(error.downcast_ref(), Some(SendError::Closed)))
}

enum Written<F> {
    Unstarted(Option<F>),
    Running {
        items: mpsc::Receiver<Bytes>,
        ended: Arc<AtomicBool>,
        task: Task,
    },
    Ended,
}

type Task = JoinHandle<Result<(), BoxError>>;

impl<F> Unpin for Written<F> {}

impl<F: FnOnce(Outlet) -> Task> Stream for Written<F> {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let written = self.get_mut();
        if let Self::Unstarted(start) = written {
            let (sender, items) = mpsc::channel(1);
            let ended = Arc::new(AtomicBool::new(false));
            let outlet = Outlet {
                items: sender,
                ended: Arc::clone(&ended),
            };
            *written = match start.take() {
                Some(start) => Self::Running {
                    items,
                    ended,
                    task: start(outlet),
                },
                None => Self::Ended,
            };
        }
        let Self::Running { items, ended, task } = written else {
            return Poll::Ready(None);
        };
        if let Some(bytes) = ready!(items.poll_recv(cx)) {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let result = if ended.load(Ordering::Acquire) {
            Ok(())
        } else {
            // Dropped, not closed: only the task's result tells an end from a failure.
            ready!(Pin::new(task).poll(cx)).unwrap_or_else(|panic| Err(panic.into()))
        };
        *written = Self::Ended;
        Poll::Ready(result.err().map(Err))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::StreamExt;

    use super::*;

    #[tokio::test]
    async fn writer_is_one_item_ahead_of_the_connection() {
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let mut items = stream(|outlet| async move {
            loop {
                outlet.send("kiki".into()).await?;
                count.fetch_add(1, Ordering::SeqCst);
            }
            #[allow(unreachable_code)]
            outlet.close()
        });
        for taken in 1..4 {
            assert_eq!(items.next().await.unwrap().unwrap(), "kiki");
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(written.load(Ordering::SeqCst), taken + 1);
        }
    }

    #[test]
    fn only_the_clients_leaving_is_no_failure() {
        #[derive(Debug, Error)]
        #[error("clock stopped")]
        struct Stopped(#[source] SendError);

        assert!(is_closed(&SendError::Closed));
        assert!(is_closed(&Stopped(SendError::Closed)));
        assert!(!is_closed(&SendError::Encode("kiki".into())));
        assert!(!is_closed(&std::fmt::Error));
    }

    #[tokio::test]
    async fn callback_starts_when_the_body_is_read() {
        let started = Arc::new(AtomicBool::new(false));
        let start = Arc::clone(&started);
        let mut items = stream(|outlet| async move {
            start.store(true, Ordering::SeqCst);
            outlet.close()
        });
        tokio::task::yield_now().await;
        assert!(!started.load(Ordering::SeqCst));
        assert!(items.next().await.is_none());
        assert!(started.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn item_written_before_the_end_is_delivered() {
        let mut items = stream(|outlet| async move {
            outlet.send("kiki".into()).await?;
            outlet.close()
        });
        assert_eq!(items.next().await.unwrap().unwrap(), "kiki");
        assert!(items.next().await.is_none());
        assert!(items.next().await.is_none());
    }
}
