//! A stream of what comes in turned into a stream of what goes out.

use super::{
    Incoming, SocketItem,
    codec::Codec,
    outgoing::{Outbox, Together},
};
use crate::BoxError;
use futures_core::Stream;
use futures_util::StreamExt;
use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

/// A function from what comes in to what goes out: any `FnOnce(Incoming<In>)` that returns a stream
/// of `Out`, or of [`Result`]s of it.
pub trait Flow<In, Out>: FnOnce(Incoming<In>) -> <Self as Flow<In, Out>>::Outgoing {
    /// The stream.
    type Outgoing: Stream<Item: SocketItem<Out>> + Send;
}

impl<F, S, In, Out> Flow<In, Out> for F
where
    F: FnOnce(Incoming<In>) -> S,
    S: Stream<Item: SocketItem<Out>> + Send,
{
    type Outgoing = S;
}

/// Sends what a flow yields, to its end; who runs it drops it behind the socket's.
pub(super) async fn run<C: Codec>(
    flow: impl Flow<C::In, C::Out>,
    incoming: Incoming<C::In>,
    codec: Arc<C>,
    outbox: Arc<Outbox>,
) -> Result<(), BoxError> {
    let mut items = pin!(flow(incoming).map(SocketItem::into_item));
    loop {
        let item = items.next().await;
        let mut together = Together::new(&*codec, &outbox);
        let mut next = Poll::Ready(item);
        let over = loop {
            let added = match next {
                Poll::Pending => break None,
                Poll::Ready(None) => break Some(Ok(())),
                Poll::Ready(Some(item)) => item.and_then(|item| together.add(item)),
            };
            if let Err(error) = added {
                break Some(Err(error));
            }
            next = match together.is_full() {
                true => Poll::Pending,
                false => poll_fn(|cx| Poll::Ready(items.as_mut().poll_next(cx))).await,
            };
        };
        if together.send().await.is_err() {
            return Ok(());
        }
        if let Some(over) = over {
            return over;
        }
    }
}
