//! `encke serve`: the hub, the site in front of it, and the end of both.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    process,
    sync::Arc,
    time::Duration,
};

use encke::{Action, Grant, Hub, Live, Refusal, Shutdown};
use thiserror::Error;
use tokio::net::TcpListener;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    BoxError,
    banner::Banner,
    config::ServeConfig,
    demo,
    health::Health,
    memory,
    publishers::Publishers,
    site::{LIVE, Site},
    statistics::Statistics,
    stop::StopRequests,
};

/// The largest publication taken.
const BODY_LIMIT: usize = 1 << 20;

/// How long open responses may take to end; whoever stops a service waits a little longer.
const DRAIN: Duration = Duration::from_secs(4);

/// The exit code of a program ended by a second Ctrl-C, as shells count it.
const INTERRUPTED: i32 = 130;

#[derive(Debug, Error)]
enum ListenError {
    #[error(
        "cannot listen on {0}: the port is in use, choose another with --listen {ip}:PORT \
         (port 0 takes any free one)",
        ip = in_url(.0.ip())
    )]
    InUse(SocketAddr),
    #[error("cannot listen on {address}")]
    Other {
        address: SocketAddr,
        source: io::Error,
    },
}

pub(crate) fn run(config: ServeConfig) -> Result<(), BoxError> {
    log_to_standard_error();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(config))
}

async fn serve(config: ServeConfig) -> Result<(), BoxError> {
    let mut stop = StopRequests::new()?;
    // Before the listener: nobody is let in who could not be served.
    let hub = tokio::select! {
        connected = config.broker.connect(config.hub) => connected?,
        () = stop.next() => return Ok(()),
    };
    let listener = listen(config.listen).await?;
    let is_alone = config.broker.is_memory();
    let banner = Banner {
        address: listener.local_addr()?,
        scheme: if config.tls.is_some() {
            "https"
        } else {
            "http"
        },
        needs_token: config.publish_token.is_some(),
        broker: (!is_alone).then(|| config.broker.to_string()),
    };

    let publishers = Arc::new(Publishers::new(config.publish_token));
    let mut live = live(&hub, publishers.clone()).body_limit(BODY_LIMIT);
    if config.client_publish {
        live = live.client_publish();
    }
    for origin in &config.allowed_origins {
        live = live.allow_origin(origin)?;
    }
    for header in config.scheme_headers {
        live = live.trust_proxy_scheme(header);
    }
    // Of many nodes each would have the clock tick.
    let feeders = is_alone.then(|| tokio::spawn(demo::feed(hub.clone())));
    let caretaker = tokio::spawn(memory::give_back(hub.clone()));
    let shutdown = Shutdown::new();
    let health = Health::new(hub.clone(), shutdown.clone());
    let statistics = Statistics::new(hub.clone(), publishers);
    let site = Site::new(config.hosts, health, statistics, live);
    banner.print()?;

    let begun = shutdown.clone();
    let stopped = async move {
        stop.next().await;
        tokio::spawn(async move {
            stop.next().await;
            process::exit(INTERRUPTED);
        });
        if let Some(feeders) = feeders {
            feeders.abort();
        }
        caretaker.abort();
        begun.begin();
        hub.shutdown();
    };
    let mut server = encke::serve(listener, site)
        .with_graceful_shutdown(stopped)
        .with_shutdown(shutdown)
        .drain_limit(DRAIN);
    if let Some(shards) = config.shards {
        server = server.shards(shards);
    }
    if let Some(tls) = config.tls {
        server = server.tls(tls);
    }
    Ok(server.await?)
}

async fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ListenError::InUse(address),
            _ => ListenError::Other { address, source },
        })
}

/// Anyone listens; whom the publishers let in speaks.
fn live(hub: &Hub, publishers: Arc<Publishers>) -> Live {
    hub.live()
        .prefix(LIVE)
        .authorize(move |request, action, _| {
            let publishers = publishers.clone();
            async move {
                if action == Action::Publish {
                    publishers
                        .check(&request)
                        .map_err(|error| Refusal::new(error.into_response()))?;
                }
                Ok(Grant::new())
            }
        })
}

/// Warnings, or what `RUST_LOG` asks for.
fn log_to_standard_error() {
    let asked = std::env::var("RUST_LOG")
        .ok()
        .and_then(|asked| asked.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| {
        Targets::new().with_default(tracing_subscriber::filter::LevelFilter::WARN)
    });
    let output = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry()
        .with(output)
        .with(filter)
        .init();
}

fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
