//! A TCP stream that fails where its peer takes nothing.
//!
//! The deadline stands here, not in the body: nobody polls the body of a connection that cannot
//! be written to.

#[cfg(feature = "axum")]
use super::Peer;
use super::peer::Line;
use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::{rt::TokioIo, server::conn::auto};
use std::{
    fmt,
    io::{Error, ErrorKind, IoSlice, Result},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// Unsent bytes that the kernel holds of a connection before it takes no more: more would be
/// memory that nobody counts, and data that a stalled peer seems to have taken. The socket is
/// writable again at half of them, which the slowest client must take within the limit.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 16 << 10;

/// Bytes that are joined rather than written from where they are: up to here a copy costs less than
/// the list of where they are.
const SMALL: usize = 512;

/// A connection that a [`Listener`](crate::Listener) accepted.
///
/// It fails where its peer takes nothing for the listener's
/// [stall limit](crate::Listener::stall_limit), and a session may take its socket away.
pub struct GuardedIo {
    /// `None` once a session has taken it away.
    stream: Option<TcpStream>,
    /// What was written since a session offered to.
    seen: Vec<u8>,
    stall_limit: Duration,
    /// Runs while the socket takes nothing.
    deadline: Option<Pin<Box<Sleep>>>,
    line: Arc<Line>,
}

impl GuardedIo {
    pub(super) fn new(stream: TcpStream, stall_limit: Duration, line: Arc<Line>) -> Self {
        if let Err(error) = set_options(&stream, stall_limit) {
            tracing::debug!(%error, "socket option refused");
        }
        Self {
            stream: Some(stream),
            seen: Vec::new(),
            stall_limit,
            deadline: None,
            line,
        }
    }

    /// The socket alone.
    pub(crate) fn into_tcp(self) -> Result<std::net::TcpStream> {
        let stream = self.stream.ok_or(ErrorKind::NotConnected)?;
        stream.into_std()
    }

    /// The other end.
    #[cfg(feature = "axum")]
    pub(crate) fn peer(&self) -> Peer {
        Peer::new(self.line.clone())
    }

    /// Remembers what leaves, where a session wants to know.
    fn see<'a>(&mut self, bufs: impl IntoIterator<Item = &'a [u8]>, written: usize) {
        let before = self.seen.len();
        for buf in bufs {
            self.seen.extend_from_slice(buf);
        }
        self.seen.truncate(before + written);
    }

    /// Everything was written: gives the socket to the session that offered to take it, if nothing
    /// has changed its response.
    fn give_away(&mut self, cx: &Context<'_>) -> Result<()> {
        let seen = std::mem::take(&mut self.seen);
        if seen.is_empty() {
            return Ok(());
        }
        if let Some(offer) = self.line.slot.accept(&seen, cx)
            && let Some(stream) = self.stream.take()
        {
            (offer.take)(stream.into_std()?);
        }
        Ok(())
    }

    fn check(&mut self, cx: &mut Context<'_>, written: Poll<Result<usize>>) -> Poll<Result<usize>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let limit = self.stall_limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        deadline.as_mut().poll(cx).map(|()| {
            self.line.stalls();
            let message = format!("the peer took nothing for {limit:?} while data waited");
            Err(Error::new(ErrorKind::TimedOut, message))
        })
    }
}

/// The I/O of an upgraded connection, and what was read of it behind the request; the connection
/// itself where it is none of ours, or speaks TLS.
pub(crate) fn take_io(upgraded: Upgraded) -> std::result::Result<(GuardedIo, Bytes), Upgraded> {
    let (io, unread) = match upgraded.downcast::<TokioIo<GuardedIo>>() {
        Ok(parts) => (parts.io, parts.read_buf),
        // Of `axum::serve`, which looks which HTTP a connection speaks.
        Err(upgraded) => {
            let parts = auto::upgrade::downcast::<TokioIo<GuardedIo>>(upgraded)?;
            (parts.io, parts.read_buf)
        }
    };
    Ok((io.into_inner(), unread))
}

fn set_options(stream: &TcpStream, stall_limit: Duration) -> Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(stream);
        socket.set_tcp_notsent_lowat(UNSENT)?;
        // Less than the socket's buffer may wait for a peer that is gone.
        socket.set_tcp_user_timeout(Some(stall_limit))?;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = stall_limit;
    Ok(())
}

impl fmt::Debug for GuardedIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedIo")
            .field("stream", &self.stream)
            .field("stall_limit", &self.stall_limit)
            .finish_non_exhaustive()
    }
}

/// A connection whose socket is gone reads its end, and what it writes goes nowhere: the end of a
/// response that somebody else goes on with.
impl AsyncRead for GuardedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_read(cx, buf),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for GuardedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        };
        let written = Pin::new(stream).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = written
            && self.line.slot.is_offered()
        {
            self.see([buf], written);
        }
        self.check(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(length));
        };
        let stream = Pin::new(stream);
        let mut joined = [0; SMALL];
        let written = if length <= SMALL {
            let mut left = &mut joined[..];
            for buf in bufs {
                let (here, behind) = left.split_at_mut(buf.len());
                here.copy_from_slice(buf);
                left = behind;
            }
            stream.poll_write(cx, &joined[..length])
        } else {
            stream.poll_write_vectored(cx, bufs)
        };
        if let Poll::Ready(Ok(written)) = written
            && self.line.slot.is_offered()
        {
            self.see(bufs.iter().map(|buf| &**buf), written);
        }
        self.check(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        // hyper flushes what it has written, and that only when it has nothing left to write. The
        // socket itself needs no flush.
        if self.line.slot.is_offered() {
            self.give_away(cx)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
