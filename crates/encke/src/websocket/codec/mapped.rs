//! Codecs made of others.

use super::Codec;
use crate::BoxError;
use encke_proto::ws::{CloseFrame, Message};
use std::{fmt, marker::PhantomData};

/// What [`Codec::map`] makes.
#[derive(Clone)]
pub struct Map<C, F> {
    codec: C,
    f: F,
}

impl<C, F> Map<C, F> {
    pub(super) fn new(codec: C, f: F) -> Self {
        Self { codec, f }
    }
}

impl<C, F, T> Codec for Map<C, F>
where
    C: Codec,
    F: Fn(C::In) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    type In = T;
    type Out = C::Out;

    fn decode(&self, message: Message) -> Result<Option<T>, CloseFrame> {
        Ok(self.codec.decode(message)?.map(&self.f))
    }

    fn encode(&self, item: C::Out) -> Result<Message, BoxError> {
        self.codec.encode(item)
    }
}

impl<C: fmt::Debug, F> fmt::Debug for Map<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Map").field(&self.codec).finish()
    }
}

/// What [`Codec::contramap`] makes.
#[derive(Clone)]
pub struct Contramap<C, F, T> {
    codec: C,
    f: F,
    item: PhantomData<fn(T)>,
}

impl<C, F, T> Contramap<C, F, T> {
    pub(super) fn new(codec: C, f: F) -> Self {
        Self {
            codec,
            f,
            item: PhantomData,
        }
    }
}

impl<C, F, T> Codec for Contramap<C, F, T>
where
    C: Codec,
    F: Fn(T) -> C::Out + Send + Sync + 'static,
    T: Send + 'static,
{
    type In = C::In;
    type Out = T;

    fn decode(&self, message: Message) -> Result<Option<C::In>, CloseFrame> {
        self.codec.decode(message)
    }

    fn encode(&self, item: T) -> Result<Message, BoxError> {
        self.codec.encode((self.f)(item))
    }
}

impl<C: fmt::Debug, F, T> fmt::Debug for Contramap<C, F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Contramap").field(&self.codec).finish()
    }
}
