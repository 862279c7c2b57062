//! What the user types.

mod brokers;
pub(crate) use brokers::BrokersOpts;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{counters::Counter, process::Process, transport::Transport};

/// Measures servers of live events. `cargo xtask bench` runs all of it.
#[derive(Debug, Parser)]
#[command(name = "encke-bench", version)]
pub(crate) struct Opts {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve as a bare loop: one write of encoded bytes per delivery, and nothing else.
    Limit(LimitOpts),
    /// Load a running server, check all it delivers, and print one line of JSON.
    #[command(subcommand)]
    Load(Box<Load>),
    /// Build and start servers, load each and the bare loop in turn, write a table and a chart.
    Compare(CompareOpts),
    /// Start engines and two nodes on each, load them and one node alone in turn, write a table.
    Brokers(BrokersOpts),
}

/// Any GET listens to the channel of that path, any POST publishes its body there, and every
/// WebSocket is echoed.
#[derive(Args, Debug)]
pub(crate) struct LimitOpts {
    /// Where to listen; port 0 takes any free port.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    #[arg(long, value_enum, default_value_t = Transport::Sse)]
    pub(crate) transport: Transport,

    /// Write publications that came in one read in one write.
    #[arg(long)]
    pub(crate) coalesce: bool,

    /// Publications of a channel that a newcomer gets, in the write of the response's head.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) history: usize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Load {
    /// Publish, and count what arrives at every subscriber.
    Fanout(FanoutOpts),
    /// Publish from several connections at once, each when it has its answer; one subscriber checks.
    Publish(WritersOpts),
    /// Open connections, and read the server's memory and its CPU while nothing happens.
    Idle(IdleOpts),
    /// Open connections as fast as the server takes them.
    Connect(ConnectOpts),
    /// Send messages over WebSockets, and compare what comes back.
    Echo(EchoOpts),
}

/// The server, and how to speak to it.
#[derive(Args, Debug)]
pub(crate) struct ServerOpts {
    /// Printed with the result.
    #[arg(long, default_value = "")]
    pub(crate) name: String,

    /// The server's process: its CPU and memory are read, and its descendants'.
    #[arg(long, value_name = "PID", value_parser = process)]
    pub(crate) server_pid: Option<Process>,

    /// Another process whose CPU is read and printed under this name, several together; repeatable.
    #[arg(long, value_name = "NAME=PID", value_parser = named_process)]
    pub(crate) beside: Vec<(String, Process)>,

    /// An engine on this machine that counts what it does, and where it tells; repeatable.
    #[arg(long, value_name = "redis|nats=PORT", value_parser = Counter::parse)]
    pub(crate) count: Vec<Counter>,

    /// The core to run on; the load program never sleeps while it measures.
    #[arg(long)]
    pub(crate) core: Option<usize>,
}

fn process(pid: &str) -> Result<Process, std::num::ParseIntError> {
    pid.parse().map(Process)
}

fn named_process(text: &str) -> Result<(String, Process), String> {
    let (name, pid) = text.split_once('=').ok_or("not NAME=PID")?;
    let pid = process(pid).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), pid))
}

/// How to listen. `{channel}` stands for the channel's number.
#[derive(Args, Debug)]
pub(crate) struct SubscribeOpts {
    #[arg(long, value_enum, default_value_t = Transport::Sse)]
    pub(crate) transport: Transport,

    /// What subscribers GET.
    #[arg(long)]
    pub(crate) url: String,

    /// A header of subscribers; repeatable.
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,

    /// The certificate of an https:// server.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,

    /// Subscribers on one connection, over HTTP/2.
    #[arg(long, value_name = "N", requires = "ca")]
    pub(crate) http2: Option<usize>,

    /// Check the offsets of ndjson too: each has to be one above the last.
    #[arg(long)]
    pub(crate) offsets: bool,

    /// What each says first, over WebSockets.
    #[arg(long, value_name = "TEXT")]
    pub(crate) hello: Option<String>,

    /// How long what a server says first may take, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "150", value_parser = milliseconds)]
    pub(crate) settle: Duration,
}

/// How to publish. `{channel}` stands for the channel's number.
#[derive(Args, Debug)]
pub(crate) struct PublishOpts {
    /// What publications are POSTed to.
    #[arg(long, value_name = "URL")]
    pub(crate) publish_url: String,

    /// A header of publications; repeatable.
    #[arg(long = "publish-header", value_name = "NAME: VALUE")]
    pub(crate) publish_headers: Vec<String>,

    /// What is POSTed, with `{}` for the payload.
    #[arg(long, value_name = "TEXT", default_value = "{}")]
    pub(crate) publish_body: String,

    /// Bytes of a payload.
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    pub(crate) size: usize,
}

#[derive(Args, Debug)]
pub(crate) struct FanoutOpts {
    #[command(flatten)]
    pub(crate) server: ServerOpts,
    #[command(flatten)]
    pub(crate) subscribe: SubscribeOpts,
    #[command(flatten)]
    pub(crate) publish: PublishOpts,

    /// Subscribers of all channels together; with 0, only publishing is measured.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) subscribers: usize,

    /// Channels, published to in turn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) channels: usize,

    /// Subscribers besides, which never read.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) stalled: usize,

    /// Publications per second; without it the next go out when all have got the last.
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<f64>,

    /// Publications that go out together.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) burst: usize,

    /// How long to measure, in seconds.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// How long to publish before that, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "150", value_parser = milliseconds)]
    pub(crate) warm: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct WritersOpts {
    #[command(flatten)]
    pub(crate) server: ServerOpts,
    #[command(flatten)]
    pub(crate) subscribe: SubscribeOpts,
    #[command(flatten)]
    pub(crate) publish: PublishOpts,

    /// Connections that publish.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=999))]
    pub(crate) writers: u32,

    /// Channels, each with one subscriber, published to in turn.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) channels: usize,

    /// Publications that may be on their way to a subscriber; beyond, everyone waits.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) ahead: u64,

    /// How long to measure, in seconds.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// How long to publish before that, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "150", value_parser = milliseconds)]
    pub(crate) warm: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct IdleOpts {
    #[command(flatten)]
    pub(crate) server: ServerOpts,
    #[command(flatten)]
    pub(crate) subscribe: SubscribeOpts,

    /// Connections to open, spread over the channels.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) connections: usize,

    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) channels: usize,

    /// How long to watch the server's CPU, in seconds. Pings of WebSockets are answered.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub(crate) hold: Duration,
}

#[derive(Args, Debug)]
pub(crate) struct ConnectOpts {
    #[command(flatten)]
    pub(crate) server: ServerOpts,
    #[command(flatten)]
    pub(crate) subscribe: SubscribeOpts,

    /// Connections to open.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) connections: usize,

    /// Publications made before, all of which every connection must get: `{epoch}` and `{offset}` in
    /// the URL say where the one before them is.
    #[arg(long, value_name = "N", default_value_t = 0, requires = "publish_url")]
    pub(crate) recover: usize,

    /// What publications are POSTed to.
    #[arg(long, value_name = "URL")]
    pub(crate) publish_url: Option<String>,

    /// Bytes of a payload.
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    pub(crate) size: usize,
}

#[derive(Args, Debug)]
pub(crate) struct EchoOpts {
    #[command(flatten)]
    pub(crate) server: ServerOpts,

    /// The echo.
    #[arg(long)]
    pub(crate) url: String,

    /// Bytes of a message.
    #[arg(long, value_name = "BYTES", default_value_t = 20)]
    pub(crate) size: usize,

    /// Messages that each connection writes at once; the next when all have come back.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) depth: usize,

    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) connections: usize,

    /// How long to measure, in seconds.
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    pub(crate) seconds: Duration,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}

#[derive(Args, Debug)]
pub(crate) struct CompareOpts {
    /// One short pair of each: whether it works, and no figures for anyone else.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Who is measured; everyone without it.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) peers: Vec<String>,

    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) transports: Vec<Transport>,

    /// What is measured; without it the usual for everyone, and everything for encke.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) modes: Vec<String>,

    /// Pairs of server and bare loop; 9, or fewer where a run takes long.
    #[arg(long, value_name = "N")]
    pub(crate) pairs: Option<usize>,

    /// How long a run measures, in seconds.
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<f64>,

    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub(crate) server_core: usize,

    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub(crate) load_core: usize,

    /// Measure nothing, and write the table and the chart of what was measured.
    #[arg(long)]
    pub(crate) render: bool,

    /// Where the table and the chart go; `docs`, or cargo's target folder with --quick.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) docs: Option<PathBuf>,
}
