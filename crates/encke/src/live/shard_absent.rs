//! Where there are no shards: every session stays with its connection.

use super::{session::Parts, socket::Dialog};
use crate::Shutdown;
use std::{convert::Infallible, net::TcpStream, time::Duration};

#[derive(Debug)]
pub(crate) struct Shards;

pub(crate) struct Seat(Infallible);

impl Shards {
    pub(crate) fn new(_: Option<usize>, _: Shutdown, _: Duration) -> Self {
        Self
    }

    pub(crate) fn seat(&self) -> Option<Seat> {
        None
    }

    pub(crate) async fn drained(&self) {}

    pub(crate) fn cut(&self) {}
}

impl Seat {
    pub(crate) fn join(self, _: TcpStream, _: Parts) {
        match self.0 {}
    }

    pub(super) fn join_web_socket(self, _: TcpStream, _: Parts, _: Dialog, _: &[u8]) {
        match self.0 {}
    }
}
