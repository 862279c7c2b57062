//! Readiness of many sockets: epoll, level-triggered, each socket under a key of ours.

use std::{io, os::fd::AsFd, os::fd::OwnedFd, time::Duration};

use rustix::{
    buffer::spare_capacity,
    event::{
        Timespec,
        epoll::{self, CreateFlags, Event, EventData, EventFlags},
    },
};

/// How many sockets one wait may report.
const EVENTS: usize = 1024;

pub(crate) struct Poll {
    epoll: OwnedFd,
}

/// What waits reuse to report in.
pub(crate) struct Events(Vec<Event>);

/// A socket that has something to read, room to write, or has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) key: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(EVENTS))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Ready> {
        self.0.iter().map(|event| {
            let flags = event.flags;
            Ready {
                key: event.data.u64(),
                readable: flags.intersects(!EventFlags::OUT),
                writable: flags.contains(EventFlags::OUT),
            }
        })
    }
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Self { epoll })
    }

    /// Reports `socket` under `key` when there is something to read.
    pub(crate) fn add(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        epoll::add(&self.epoll, socket, EventData::new_u64(key), EventFlags::IN)?;
        Ok(())
    }

    /// Reports it also when there is room to write.
    pub(crate) fn watch_room(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT;
        epoll::modify(&self.epoll, socket, EventData::new_u64(key), flags)?;
        Ok(())
    }

    /// Reports room no more.
    pub(crate) fn ignore_room(&self, socket: impl AsFd, key: u64) -> io::Result<()> {
        epoll::modify(&self.epoll, socket, EventData::new_u64(key), EventFlags::IN)?;
        Ok(())
    }

    /// Reports nothing of it any more.
    pub(crate) fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        epoll::delete(&self.epoll, socket)?;
        Ok(())
    }

    /// Waits until a socket is ready, or for this time; for ever without one.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout
            .map(Timespec::try_from)
            .transpose()
            .map_err(|_| io::ErrorKind::InvalidInput)?;
        events.0.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut events.0), timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
