//! What may be chosen before a socket is accepted.

use super::{Overflow, WebSocket, application::Compress, origin::OriginRule};
use crate::{SchemeHeader, Shutdown};
use encke_proto::{
    comet::{InvalidOrigin, Origin},
    ws::{
        Config, KeepAlive, Message, deflate,
        handshake::{UnofferedSubprotocol, is_reserved},
    },
};
use http::{HeaderName, HeaderValue};
use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(Arc::default);

/// What an application chose.
pub(super) struct Options {
    pub(super) origins: OriginRule,
    pub(super) config: Arc<Config>,
    pub(super) subprotocol: Option<String>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) compress: Option<Compress>,
    pub(super) stall_limit: Duration,
    pub(super) incoming_limit: usize,
    pub(super) outgoing_limit: usize,
    pub(super) overflow: Overflow,
    pub(super) shutdown: Option<Shutdown>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            origins: OriginRule::default(),
            config: CONFIG.clone(),
            subprotocol: None,
            headers: Vec::new(),
            compress: None,
            stall_limit: Duration::from_secs(10),
            incoming_limit: 64 << 10,
            outgoing_limit: 64 << 10,
            overflow: Overflow::default(),
            shutdown: None,
        }
    }
}

/// The handshake.
impl<C> WebSocket<C> {
    /// Speaks this subprotocol.
    ///
    /// Default: none, on which browsers that offered some give up.
    ///
    /// # Errors
    ///
    /// When the client did not offer it, in these very letters.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, UnofferedSubprotocol> {
        self.upgrade.check_subprotocol(name)?;
        self.options.subprotocol = Some(name.to_owned());
        Ok(self)
    }

    /// Adds a header to the response that opens the socket, such as a `Set-Cookie`.
    ///
    /// Those of the handshake itself are left as they are: `Connection`, `Upgrade`,
    /// `Content-Length`, `Transfer-Encoding` and `Sec-WebSocket-*`.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if !is_reserved(&name) {
            self.options.headers.push((name, value));
        }
        self
    }

    /// Lets pages of this origin open the socket, such as `https://app.example`.
    ///
    /// Default: only those of this server: the origin's host and port are those of the request,
    /// and its scheme `https` where this server speaks TLS itself, or what a
    /// [trusted header](Self::trust_proxy_scheme) says. Other pages, and those that have no origin
    /// to tell (`null`), get 403.
    ///
    /// # Errors
    ///
    /// Where `origin` is not a scheme, a host and perhaps a port.
    pub fn allow_origin(mut self, origin: &str) -> Result<Self, InvalidOrigin> {
        self.options.origins.allow(Origin::new(origin)?);
        Ok(self)
    }

    /// Takes the scheme of this server's own pages from this header, which a proxy in front of it
    /// sets.
    ///
    /// Default: from none, since a client could send it: without a proxy that replaces it, a page
    /// without TLS passes for one with. See [`SchemeHeader`] for what is read, and what is refused.
    pub fn trust_proxy_scheme(mut self, header: SchemeHeader) -> Self {
        self.options.origins.trust(header);
        self
    }

    /// Lets every page open the socket, with the cookies of whoever visits it.
    pub fn any_origin(mut self) -> Self {
        self.options.origins.allow_any();
        self
    }

    /// Refuses clients that tell no origin, with 403.
    ///
    /// Default: they are let in, as no browser is among them.
    pub fn require_origin(mut self) -> Self {
        self.options.origins.require();
        self
    }
}

/// Limits and times.
impl<C> WebSocket<C> {
    /// Longest frame that is taken, in bytes; a longer one closes the socket with 1009.
    ///
    /// Default: 64 KiB.
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.config_mut().max_frame = bytes;
        self
    }

    /// Longest message that is taken, in bytes, its frames and what is inflated counted together; a
    /// longer one closes the socket with 1009.
    ///
    /// Default: 64 KiB. Every socket may take this much memory while a message arrives.
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.config_mut().max_message = bytes;
        self
    }

    /// What is done while the client is silent.
    ///
    /// Default: a ping after 25 s; without an answer within 10 s the client counts as lost, 1006.
    pub fn keep_alive(mut self, keep_alive: KeepAlive) -> Self {
        self.config_mut().keep_alive = keep_alive;
        self
    }

    /// Closes the socket with 1001 where no message came or went for this long.
    ///
    /// Default: never.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config_mut().idle_timeout = Some(timeout);
        self
    }

    /// How long the client may take to answer a Close before its connection is cut.
    ///
    /// Default: 3 s. What else it sends does not extend it.
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.config_mut().close_timeout = timeout;
        self
    }

    /// How long the client may take nothing while data waits before its connection is cut.
    ///
    /// Default: 10 s. Over HTTP/1.1 the [server's](crate::Serve::stall_limit) holds too.
    pub fn stall_limit(mut self, limit: Duration) -> Self {
        self.options.stall_limit = limit;
        self
    }

    /// How many bytes may wait for the application before no more is read.
    ///
    /// Default: 64 KiB, and one message at least. Until then pings are answered and a Close is
    /// noticed however slow the application is.
    pub fn incoming_limit(mut self, bytes: usize) -> Self {
        self.options.incoming_limit = bytes;
        self
    }

    /// How many bytes may wait for the client, and what becomes of more.
    ///
    /// Default: 64 KiB and [`Overflow::Wait`]. One message may be larger; up to 32 KiB more are on
    /// their way to the socket.
    pub fn outgoing_limit(mut self, bytes: usize, overflow: Overflow) -> Self {
        self.options.outgoing_limit = bytes;
        self.options.overflow = overflow;
        self
    }

    /// Compresses messages in this way, where the client can.
    ///
    /// Default: as [`deflate::Config::default`].
    pub fn deflate(mut self, config: deflate::Config) -> Self {
        self.config_mut().deflate = Some(config);
        self
    }

    /// Compresses no message, in either direction.
    pub fn without_deflate(mut self) -> Self {
        self.config_mut().deflate = None;
        self
    }

    /// Compresses the messages that `choose` says.
    ///
    /// Default: those of at least the [threshold](deflate::Config::threshold).
    pub fn compress_if(
        mut self,
        choose: impl Fn(&Message) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.options.compress = Some(Arc::new(choose));
        self
    }

    /// Closes the socket with 1001 when `shutdown` begins.
    ///
    /// Default: the shutdown of [`serve`](crate::serve()); under another server none.
    pub fn shutdown(mut self, shutdown: &Shutdown) -> Self {
        self.options.shutdown = Some(shutdown.clone());
        self
    }

    fn config_mut(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.options.config)
    }
}
