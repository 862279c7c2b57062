//! A TCP stream that fails where its peer takes nothing.
//!
//! The deadline stands here, not in the body: nobody polls the body of a connection that cannot
//! be written to.

use super::peer::Line;
use std::{
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

pub(super) struct GuardedIo {
    stream: TcpStream,
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
            stream,
            stall_limit,
            deadline: None,
            line,
        }
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

impl AsyncRead for GuardedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for GuardedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.check(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.check(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
