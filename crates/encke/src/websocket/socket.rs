//! The connection of a WebSocket.

use crate::serve::{GuardedIo, take_io};
use bytes::{Buf, Bytes};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::{
    io::{self, IoSlice},
    net::TcpStream,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What an upgrade gives; of a listener of ours without the layers that HTTP had around it.
pub(crate) enum Socket {
    Ours {
        io: Box<GuardedIo>,
        /// Read behind the request.
        unread: Bytes,
    },
    Other(TokioIo<Upgraded>),
}

impl Socket {
    pub(super) fn new(upgraded: Upgraded) -> Self {
        match take_io(upgraded) {
            Ok((io, unread)) => Self::Ours {
                io: Box::new(io),
                unread,
            },
            Err(upgraded) => Self::Other(TokioIo::new(upgraded)),
        }
    }

    /// The socket itself, and what was read of it behind the request, where it can be had.
    pub(crate) fn into_tcp(self) -> Result<(io::Result<TcpStream>, Bytes), Self> {
        match self {
            Self::Ours { io, unread } => Ok((io.into_tcp(), unread)),
            Self::Other(_) => Err(self),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Ours { unread, .. } if !unread.is_empty() => {
                let size = unread.len().min(buf.remaining());
                buf.put_slice(&unread[..size]);
                unread.advance(size);
                Poll::Ready(Ok(()))
            }
            Self::Ours { io, .. } => Pin::new(&mut **io).poll_read(cx, buf),
            Self::Other(io) => Pin::new(io).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Ours { io, .. } => Pin::new(&mut **io).poll_write(cx, buf),
            Self::Other(io) => Pin::new(io).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Ours { io, .. } => Pin::new(&mut **io).poll_write_vectored(cx, bufs),
            Self::Other(io) => Pin::new(io).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Ours { io, .. } => io.is_write_vectored(),
            Self::Other(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Ours { io, .. } => Pin::new(&mut **io).poll_flush(cx),
            Self::Other(io) => Pin::new(io).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Ours { io, .. } => Pin::new(&mut **io).poll_shutdown(cx),
            Self::Other(io) => Pin::new(io).poll_shutdown(cx),
        }
    }
}
