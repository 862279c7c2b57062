//! What the user types.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::duration;

/// encke pushes live events to browsers: one publish reaches every browser.
///
/// Without a command it serves: `encke --listen ADDR` is `encke serve --listen ADDR`.
#[derive(Debug, Parser)]
#[command(name = "encke", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Opts {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) serve: ServeOpts,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server (the default command).
    Serve(ServeOpts),
    /// Publish to a channel, and print the position the publication got.
    Pub(PubOpts),
    /// Listen to a channel, and print each item as it comes.
    Sub(SubOpts),
}

#[derive(Args, Debug)]
pub(crate) struct ServeOpts {
    /// Where to listen; port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9000", value_parser = listen_address)]
    pub(crate) listen: SocketAddr,

    /// What a publisher must send as `Authorization: Bearer TOKEN`.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "ENCKE_PUBLISH_TOKEN",
        hide_env_values = true
    )]
    pub(crate) publish_token: Option<String>,

    /// Listen beyond this machine although anyone may publish.
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Speak TLS, and HTTP/2 with every browser: the certificate, then its issuers, in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key of the certificate, in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// One more name under which browsers may reach the server; repeatable.
    ///
    /// Known without it: localhost, 127.0.0.1, ::1 and the address listened on; when that is
    /// 0.0.0.0 or ::, any IP address.
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,

    /// An origin whose pages may listen, and publish with the token; repeatable.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allowed_origins: Vec<String>,

    /// A header by which a proxy in front of the server tells the scheme of its pages; repeatable.
    ///
    /// Only for a server that nobody reaches but through a proxy that sets this header: a client
    /// could send it. Of several values the last counts; what is missing, in two lines or not clear
    /// is refused, with 403. Without it a page is the server's own by host and port.
    #[arg(
        long,
        value_name = "HEADER",
        env = "ENCKE_TRUST_PROXY_SCHEME",
        value_enum,
        value_delimiter = ','
    )]
    pub(crate) trust_proxy_scheme: Vec<ProxyHeader>,

    /// Publish what the clients of WebSockets say, where they may publish.
    #[arg(long)]
    pub(crate) allow_client_publish: bool,

    /// How many tasks write to the clients that listen over plain HTTP/1.1; one per core by default.
    ///
    /// With 0 each of them has a task and the buffers of its HTTP connection, as clients over TLS
    /// have. On Linux only.
    #[arg(long, value_name = "COUNT", env = "ENCKE_SHARDS")]
    pub(crate) shards: Option<usize>,

    /// How long a session stays silent before it is sent a sign of life; 0 never sends one.
    ///
    /// Below the time after which a proxy on the way takes a quiet connection for dead.
    #[arg(
        long,
        value_name = "TIME",
        env = "ENCKE_KEEP_ALIVE",
        default_value = "25s",
        value_parser = duration::parse
    )]
    pub(crate) keep_alive: Duration,

    #[command(flatten)]
    pub(crate) channels: ChannelOpts,
}

/// Where channels are kept, and what of them.
#[derive(Args)]
pub(crate) struct ChannelOpts {
    /// The broker whose channels this server shares with others: redis://HOST:PORT,
    /// nats://HOST:PORT, or memory: for none.
    ///
    /// rediss:// and tls:// are the same over TLS, redis+sentinel://HOST:PORT,HOST:PORT/MASTER asks
    /// Sentinels. USER:PASSWORD@ goes before the host; put a URL that holds a password into the
    /// environment, as other users of a machine may see command lines.
    #[arg(
        long,
        value_name = "URL",
        env = "ENCKE_BROKER",
        hide_env_values = true,
        default_value = "memory:"
    )]
    pub(crate) broker: String,

    /// How many publications of a channel a newcomer may recover.
    ///
    /// All servers of a broker should be given the same.
    #[arg(
        long,
        value_name = "COUNT",
        env = "ENCKE_HISTORY",
        default_value_t = 100
    )]
    pub(crate) history: usize,

    /// And for how long after they were published.
    #[arg(
        long,
        value_name = "TIME",
        env = "ENCKE_HISTORY_AGE",
        default_value = "5m",
        value_parser = duration::parse
    )]
    pub(crate) history_age: Duration,

    /// How long a publication is not made again when it comes with the same Idempotency-Key.
    #[arg(
        long,
        value_name = "TIME",
        env = "ENCKE_IDEMPOTENCY_WINDOW",
        default_value = "5m",
        value_parser = duration::parse_period
    )]
    pub(crate) idempotency_window: Duration,

    /// How long publishers and new sessions wait for a broker that is away; with 0 they are told at
    /// once.
    #[arg(
        long,
        value_name = "TIME",
        env = "ENCKE_BROKER_PATIENCE",
        default_value = "5s",
        value_parser = duration::parse
    )]
    pub(crate) broker_patience: Duration,

    /// How often the broker is asked where quiet channels stand.
    ///
    /// It bounds how late a publication is whose announcement was lost on the way.
    #[arg(
        long,
        value_name = "TIME",
        env = "ENCKE_CHECK_PERIOD",
        default_value = "10s",
        value_parser = duration::parse_period
    )]
    pub(crate) check_period: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct PubOpts {
    /// The channel to publish to.
    pub(crate) channel: String,

    /// What to publish; `-` or nothing reads standard input to its end, every byte of it.
    ///
    /// UTF-8 is published as text, anything else as bytes.
    #[arg(allow_hyphen_values = true)]
    pub(crate) data: Option<String>,

    /// The data is JSON.
    #[arg(long)]
    pub(crate) json: bool,

    /// Publish once: with a key that was used on this channel before, within the server's
    /// --idempotency-window, nothing is published and the first position is printed again.
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,

    #[command(flatten)]
    pub(crate) server: ServerOpts,
}

#[derive(Args, Debug)]
pub(crate) struct SubOpts {
    /// The channel to listen to.
    pub(crate) channel: String,

    /// Continue after this position: one that `pub` or `sub` printed, or EPOCH:OFFSET.
    #[arg(long, value_name = "POSITION")]
    pub(crate) since: Option<String>,

    /// How the server sends; ndjson and ws print one item a line, the others their raw bytes.
    #[arg(long, value_enum, default_value_t = Transport::Ndjson)]
    pub(crate) transport: Transport,

    #[command(flatten)]
    pub(crate) server: ServerOpts,
}

/// The server that `pub` and `sub` speak to.
#[derive(Args, Debug)]
pub(crate) struct ServerOpts {
    /// Where the server is; ws:// and wss:// mean http:// and https://.
    #[arg(long, default_value = "http://127.0.0.1:9000")]
    pub(crate) url: String,

    /// Trust the certificates in this file (PEM), and not the public issuers.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// The token to send as `Authorization: Bearer TOKEN`.
    #[arg(long, env = "ENCKE_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

/// What a proxy may tell the scheme by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProxyHeader {
    /// `X-Forwarded-Proto: https`
    XForwardedProto,
    /// `Forwarded: proto=https` (RFC 7239)
    Forwarded,
}

/// How bytes look on the connection of `sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// One JSON item a line.
    Ndjson,
    /// Server-Sent Events.
    Sse,
    /// Script elements, as a forever iframe reads them.
    Comet,
    /// A WebSocket, one JSON item a message.
    #[value(name = "ws")]
    WebSocket,
}

/// Without the URL of the broker, which may hold a password.
impl fmt::Debug for ChannelOpts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelOpts")
            .field("history", &self.history)
            .field("history_age", &self.history_age)
            .finish_non_exhaustive()
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "expected an address and a port, such as 127.0.0.1:9000 or [::1]:9000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        use clap::CommandFactory;
        Opts::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_command_with_its_flags() {
        let opts = Opts::parse_from(["encke", "--listen", "127.0.0.1:0"]);
        assert!(opts.command.is_none());
        assert_eq!(opts.serve.listen.port(), 0);
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let opts = Opts::parse_from(["encke"]).serve.channels;
        let typed = format!("{:?}", opts.hub_config(Duration::from_secs(25)));
        assert_eq!(typed, format!("{:?}", encke::HubConfig::default()));
    }

    #[test]
    fn data_may_look_like_a_flag_or_be_a_dash() {
        for data in ["-1", "-", "--"] {
            let args = ["encke", "pub", "news", data];
            let Ok(opts) = Opts::try_parse_from(args) else {
                panic!("{data} was refused")
            };
            let Some(Command::Pub(opts)) = opts.command else {
                panic!("{data} is no command")
            };
            // A lone `--` ends the flags, as everywhere.
            assert_eq!(opts.data.as_deref(), (data != "--").then_some(data));
        }
    }
}
