//! What servers are asked, and how their connections are kept.
//!
//! A connection of our own never asks twice: what was sent and not answered may have been done. Those
//! of a cluster are the library's, told not to try again either.

use super::{
    link::LinkState,
    scripts::{Run, is_unknown_script},
    servers::{self, Servers},
};
use crate::{
    broker::ANSWER_LIMIT,
    broker::{BrokerError, backoff::Backoff},
};
use redis::{
    Cmd, ErrorKind, PushInfo, PushKind, RedisError, RedisResult, ServerErrorKind, Value,
    aio::{AsyncPushSender, MultiplexedConnection, SendError},
    cluster_async::ClusterConnection,
    cluster_routing::{MultipleNodeRoutingInfo, ResponsePolicy, RoutingInfo},
    cmd,
};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::Notify, task::AbortHandle, time::timeout};

/// How often a connection on which nothing happens is asked whether it is one still.
pub(super) const PING_PERIOD: Duration = Duration::from_secs(2);

/// How long the answer may take.
pub(super) const PING_LIMIT: Duration = Duration::from_secs(3);

/// Runs scripts on whichever server has their keys. Cheap to clone.
#[derive(Clone)]
pub(super) struct Commands(Kind);

#[derive(Clone)]
enum Kind {
    One(Arc<One>),
    Cluster {
        cluster: ClusterConnection,
        _keeper: Arc<Keeper>,
    },
}

/// The connection to the one server, made again by a task when it breaks.
struct One {
    current: Arc<Current>,
    _keeper: Keeper,
}

#[derive(Default)]
struct Current {
    connection: Mutex<Option<MultiplexedConnection>>,
    /// How many connections were made so far.
    made: AtomicU64,
    /// Told when the connection failed somebody.
    failed: Notify,
}

/// Ends a task with its owner.
struct Keeper(AbortHandle);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Commands {
    /// On the one server, over connections made one after the other.
    pub(super) async fn one(servers: Servers, link: LinkState) -> RedisResult<Self> {
        let current = Arc::new(Current::default());
        current.connect(&servers).await?;
        let keeper = tokio::spawn(keep(servers, current.clone(), link)).abort_handle();
        Ok(Self(Kind::One(Arc::new(One {
            current,
            _keeper: Keeper(keeper),
        }))))
    }

    pub(super) fn cluster(cluster: ClusterConnection, link: LinkState) -> Self {
        let keeper = tokio::spawn(watch(cluster.clone(), link)).abort_handle();
        Self(Kind::Cluster {
            cluster,
            _keeper: Arc::new(Keeper(keeper)),
        })
    }

    /// Runs a script, on a server that may not know it yet.
    pub(super) async fn run(&self, run: Run) -> Result<Value, BrokerError> {
        match self.ask(run.by_digest()).await {
            Err(Failure::UnknownScript) => self.ask(run.by_text()).await,
            answer => answer,
        }
        .map_err(|failure| match failure {
            Failure::Broker(error) => error,
            Failure::UnknownScript => {
                BrokerError::Refused("the server does not keep scripts".into())
            }
        })
    }

    async fn ask(&self, command: Cmd) -> Result<Value, Failure> {
        let answer = match &self.0 {
            Kind::One(one) => {
                let connection = one.current.lock().clone();
                let Some(mut connection) = connection else {
                    return Err(Failure::Broker(BrokerError::Away("not connected".into())));
                };
                let answer = command.query_async(&mut connection).await;
                if answer.as_ref().is_err_and(breaks) {
                    one.current.failed.notify_one();
                }
                answer
            }
            Kind::Cluster { cluster, .. } => {
                // Above the limit of its connections, for what the library waits for by itself.
                let mut cluster = cluster.clone();
                let asked = command.query_async(&mut cluster);
                match timeout(ANSWER_LIMIT + PING_LIMIT, asked).await {
                    Ok(answer) => answer,
                    Err(_) => Err((ErrorKind::Io, "no answer").into()),
                }
            }
        };
        answer.map_err(|error| match is_unknown_script(&error) {
            true => Failure::UnknownScript,
            false => Failure::Broker(what_it_means(&error)),
        })
    }
}

enum Failure {
    UnknownScript,
    Broker(BrokerError),
}

impl Current {
    /// Makes the next connection.
    async fn connect(self: &Arc<Self>, servers: &Servers) -> RedisResult<()> {
        let number = self.made.fetch_add(1, Relaxed) + 1;
        let current = Arc::downgrade(self);
        // Told at once when it ends, so that nothing is sent over it that is known not to arrive.
        let told = move |info: PushInfo| -> Result<(), SendError> {
            if info.kind == PushKind::Disconnection
                && let Some(current) = current.upgrade()
                && current.made.load(Relaxed) == number
            {
                *current.lock() = None;
                current.failed.notify_one();
            }
            Ok(())
        };
        let connection = reach(servers, told).await?;
        *self.lock() = Some(connection);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the connection again whenever it breaks.
async fn keep(servers: Servers, current: Arc<Current>, link: LinkState) {
    loop {
        let reason = until_broken(&current).await;
        *current.lock() = None;
        link.commands(Some(reason));
        let mut backoff = Backoff::new();
        loop {
            backoff.wait().await;
            match current.connect(&servers).await {
                Ok(()) => break,
                Err(error) => link.commands(Some(error.to_string().into())),
            }
        }
        link.commands(None);
    }
}

/// A connection to the one master.
pub(super) async fn reach(
    servers: &Servers,
    push: impl AsyncPushSender,
) -> RedisResult<MultiplexedConnection> {
    let slots = servers.slots().await?;
    let Some(address) = slots.master(0) else {
        return Err((ErrorKind::Client, "no server").into());
    };
    servers::connect(servers.target(), address, push).await
}

async fn until_broken(current: &Current) -> Arc<str> {
    loop {
        let _ = timeout(PING_PERIOD, current.failed.notified()).await;
        let Some(mut connection) = current.lock().clone() else {
            return "not connected".into();
        };
        match ping(&mut connection).await {
            Ok(()) => {}
            Err(reason) => return reason,
        }
    }
}

/// Asks for a sign of life.
pub(super) async fn ping(connection: &mut MultiplexedConnection) -> Result<(), Arc<str>> {
    let command = cmd("PING");
    match timeout(PING_LIMIT, command.query_async::<Value>(connection)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string().into()),
        Err(_) => Err("the server does not answer".into()),
    }
}

/// Tells whether all masters of a cluster answer.
async fn watch(mut cluster: ClusterConnection, link: LinkState) {
    loop {
        tokio::time::sleep(PING_PERIOD).await;
        let masters = MultipleNodeRoutingInfo::AllMasters;
        let routing = RoutingInfo::MultiNode((masters, Some(ResponsePolicy::AllSucceeded)));
        let asked = cluster.route_command(cmd("PING"), routing);
        link.commands(match timeout(PING_LIMIT, asked).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string().into()),
            Err(_) => Some("a master does not answer".into()),
        });
    }
}

/// Whether a connection is of no use any more.
fn breaks(error: &RedisError) -> bool {
    error.is_io_error()
        || matches!(
            error.kind(),
            // Made a replica: the master is another.
            ErrorKind::Server(ServerErrorKind::ReadOnly) | ErrorKind::Parse
        )
}

/// What became of what was asked.
fn what_it_means(error: &RedisError) -> BrokerError {
    let reason: Arc<str> = error.to_string().into();
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ReadOnly,
        )
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::AuthenticationFailed => BrokerError::Away(reason),
        // A script of another runs for too long.
        ErrorKind::Extension if error.code() == Some("BUSY") => BrokerError::Away(reason),
        ErrorKind::Server(_) | ErrorKind::Extension => BrokerError::Refused(reason),
        _ if error.is_connection_refusal() => BrokerError::Away(reason),
        _ => BrokerError::Unanswered(reason),
    }
}
