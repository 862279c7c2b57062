//! The broker that a server shares with others, by a URL whose password nobody is shown.

use std::fmt;

use encke::{ConnectError, Hub, HubConfig};
use thiserror::Error;

/// The URL of a broker, as it was typed.
pub(crate) struct Broker(String);

/// The server cannot have this broker.
#[derive(Debug, Error)]
#[error("cannot start with this --broker (or ENCKE_BROKER): {0}")]
pub(crate) struct BrokerError(ConnectError);

impl Broker {
    pub(crate) fn new(url: String) -> Self {
        Self(url)
    }

    /// Whether the channels are this server's alone.
    pub(crate) fn is_memory(&self) -> bool {
        self.0.starts_with("memory:")
    }

    pub(crate) async fn connect(&self, config: HubConfig) -> Result<Hub, BrokerError> {
        Hub::connect_with(&self.0, config)
            .await
            .map_err(BrokerError)
    }
}

/// Without credentials and without options, among which might be some.
impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str(self.0.split(':').next().unwrap_or_default());
        };
        // Whatever is before an @ may be part of a password.
        let hosts = rest.rsplit('@').next().unwrap_or_default();
        let hosts = hosts.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{scheme}://{hosts}")
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_shown_without_its_credentials() {
        for (url, shown) in [
            ("memory:", "memory"),
            ("redis://h:6379/2", "redis://h:6379/2"),
            ("redis://u:secret@h:1/2", "redis://h:1/2"),
            ("redis://:secret@h:1,i:2", "redis://h:1,i:2"),
            ("nats://:secret@h,:secret@i", "nats://i"),
            ("nats://token@h?password=secret", "nats://h"),
            ("redis://u:secret,secret/secret?secret@h", "redis://h"),
        ] {
            let broker = Broker::new(url.to_owned());
            assert_eq!(broker.to_string(), shown);
            assert!(!format!("{broker:?}").contains("secret"));
        }
    }
}
