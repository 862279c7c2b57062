//! From the URL of a broker to a hub over it.

#[cfg(feature = "nats")]
use crate::broker::nats::Nats;
#[cfg(feature = "redis")]
use crate::broker::redis::Redis;
use crate::{Hub, HubConfig};
#[cfg(any(feature = "nats", feature = "redis"))]
use crate::{
    broker::{Announcements, Broker, Terms},
    config::LONGEST,
};
use std::sync::Arc;

#[cfg(not(feature = "nats"))]
const WITHOUT_NATS: &str = "encke was built without its feature nats";
#[cfg(not(feature = "redis"))]
const WITHOUT_REDIS: &str = "encke was built without its feature redis";

/// Connects to the broker that `url` names.
pub(crate) async fn connect(url: &str, config: HubConfig) -> Result<Hub, ConnectError> {
    let (scheme, _) = url
        .split_once(':')
        .ok_or_else(|| ConnectError::url(url, "it has no scheme"))?;
    match scheme {
        "memory" => match url {
            "memory:" | "memory://" => Ok(Hub::new(config)),
            _ => Err(ConnectError::url(url, "nothing follows memory:")),
        },
        "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" => {
            #[cfg(feature = "redis")]
            return over(config, |terms, announcements| {
                Redis::connect(url, terms, announcements)
            })
            .await;
            #[cfg(not(feature = "redis"))]
            Err(ConnectError::url(url, WITHOUT_REDIS))
        }
        "nats" | "tls" => {
            #[cfg(feature = "nats")]
            return over(config, |terms, announcements| {
                Nats::connect(url, terms, announcements)
            })
            .await;
            #[cfg(not(feature = "nats"))]
            Err(ConnectError::url(url, WITHOUT_NATS))
        }
        _ => Err(ConnectError::url(
            url,
            "its scheme is none of memory, redis, rediss, redis+sentinel, rediss+sentinel, nats and tls",
        )),
    }
}

/// A hub over the broker that `connect` makes.
#[cfg(any(feature = "nats", feature = "redis"))]
async fn over<B, C>(
    config: HubConfig,
    connect: impl FnOnce(Terms, Announcements) -> C,
) -> Result<Hub, ConnectError>
where
    B: Broker + 'static,
    C: Future<Output = Result<B, ConnectError>>,
{
    let mut retention = config.retention;
    retention.history_age = retention.history_age.min(LONGEST);
    retention.window_age = retention.window_age.min(LONGEST);
    let terms = Terms {
        retention,
        idempotency_window: config.idempotency_window,
    };
    let announcements = Announcements::default();
    let broker = connect(terms, announcements.clone()).await?;
    let hub = Hub::over(config, Arc::new(broker));
    announcements.reach(&hub);
    Ok(hub)
}

/// Why a hub cannot use a broker. Never with the password that was in its URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL makes no sense.
    #[error("broker URL {url:?}: {reason}")]
    Url {
        /// The URL, without its password.
        url: Arc<str>,
        /// What is wrong with it.
        reason: Arc<str>,
    },
    /// The broker cannot be reached.
    #[error("cannot reach the broker {url}: {reason}")]
    Unreachable {
        /// The URL, without its password.
        url: Arc<str>,
        /// What happened.
        reason: Arc<str>,
    },
    /// The broker does not let this hub in.
    #[error("the broker {url} lets nobody in with these credentials: {reason}")]
    Denied {
        /// The URL, without its password.
        url: Arc<str>,
        /// What it said.
        reason: Arc<str>,
    },
    /// The broker is none that a hub could rely on.
    #[error("the broker {url} cannot be used: {reason}")]
    Unfit {
        /// The URL, without its password.
        url: Arc<str>,
        /// What it lacks.
        reason: Arc<str>,
    },
}

impl ConnectError {
    pub(crate) fn url(url: &str, reason: impl Into<Arc<str>>) -> Self {
        Self::Url {
            url: without_password(url),
            reason: reason.into(),
        }
    }
}

/// The URL as it may be shown.
pub(crate) fn without_password(url: &str) -> Arc<str> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(authority_end);
    let separator = if scheme.is_empty() { "" } else { "://" };
    // A password that was not encoded may look like a host, or like what follows one.
    let is_torn = |(host, next): (&str, &str)| !host.contains('@') && next.contains('@');
    let hosts = authority.split(',').zip(authority.split(',').skip(1));
    if let Some((_, host)) = rest.rsplit_once('@')
        && (behind.contains('@') || hosts.into_iter().any(is_torn))
    {
        return format!("{scheme}{separator}***@{host}").into();
    }
    // Several hosts may each have credentials.
    let hosts: Vec<_> = authority
        .split(',')
        .map(|host| match host.rsplit_once('@') {
            None => host.to_owned(),
            Some((credentials, host)) => match credentials.split_once(':') {
                Some((user, _)) => format!("{user}:***@{host}"),
                None => format!("***@{host}"),
            },
        })
        .collect();
    format!("{scheme}{separator}{}{behind}", hosts.join(",")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("redis://u:secret@h:1/2", "redis://u:***@h:1/2"),
            ("redis://:secret@h,:secret@i", "redis://:***@h,:***@i"),
            ("nats://secret@h", "nats://***@h"),
            ("redis://u:se@cret@h", "redis://u:***@h"),
            ("redis://u:se/cret@h/2", "redis://***@h/2"),
            ("redis://u:se?cret@h", "redis://***@h"),
            ("redis://u:se,cret@h", "redis://***@h"),
            ("redis://u:secret@h,i,j/2", "redis://u:***@h,i,j/2"),
            ("redis://h:6379", "redis://h:6379"),
            ("u:secret@h", "u:***@h"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(&*without_password(url), shown);
        }
    }
}
