//! What the program needs: everything the user typed, checked once.

use std::{net::SocketAddr, time::Duration};

use encke::{HubConfig, SchemeHeader};
use http::HeaderValue;
use thiserror::Error;

use crate::{
    broker::Broker,
    cli::{
        ChannelOpts, Command, Opts, ProxyHeader, PubOpts, ServeOpts, ServerOpts, SubOpts, Transport,
    },
    client::{InvalidUrl, Server},
    hosts::{Hosts, InvalidHost},
    tls::{self, TlsError},
    token::{InvalidToken, Token},
};

/// One command, ready to run.
#[derive(Debug)]
pub(crate) enum Config {
    Serve(ServeConfig),
    Publish(PublishConfig),
    Subscribe(SubscribeConfig),
}

#[derive(Debug)]
pub(crate) struct ServeConfig {
    pub(crate) listen: SocketAddr,
    pub(crate) broker: Broker,
    pub(crate) hub: HubConfig,
    pub(crate) hosts: Hosts,
    pub(crate) publish_token: Option<Token>,
    pub(crate) allowed_origins: Vec<String>,
    /// By which headers a proxy tells the scheme of the server's own pages.
    pub(crate) scheme_headers: Vec<SchemeHeader>,
    pub(crate) client_publish: bool,
    /// `None` for one per core.
    pub(crate) shards: Option<usize>,
    pub(crate) tls: Option<rustls::ServerConfig>,
}

#[derive(Debug)]
pub(crate) struct PublishConfig {
    pub(crate) server: Server,
    pub(crate) channel: String,
    pub(crate) source: Source,
    pub(crate) json: bool,
    pub(crate) idempotency_key: Option<HeaderValue>,
}

/// Where `pub` takes its data from.
#[derive(Debug)]
pub(crate) enum Source {
    Argument(String),
    StandardInput,
}

#[derive(Debug)]
pub(crate) struct SubscribeConfig {
    pub(crate) server: Server,
    pub(crate) channel: String,
    pub(crate) since: Option<String>,
    pub(crate) transport: Transport,
}

/// What was typed makes no sense, or is not safe.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error(
        "refusing to listen on {0} without a publish token: give one with --publish-token or \
         ENCKE_PUBLISH_TOKEN, or say --insecure to let everyone who reaches it publish"
    )]
    AnyoneMayPublish(SocketAddr),
    #[error(transparent)]
    Host(#[from] InvalidHost),
    #[error("{given} without {missing}: TLS needs both the certificate and its private key")]
    HalfOfTls {
        given: &'static str,
        missing: &'static str,
    },
    #[error("an idempotency key has 1 to 255 visible ASCII characters and no spaces, not {0:?}")]
    IdempotencyKey(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Token(#[from] InvalidToken),
    #[error(transparent)]
    Url(#[from] InvalidUrl),
}

impl TryFrom<Opts> for Config {
    type Error = ConfigError;

    fn try_from(opts: Opts) -> Result<Self, ConfigError> {
        Ok(match opts.command {
            None => Self::Serve(opts.serve.try_into()?),
            Some(Command::Serve(opts)) => Self::Serve(opts.try_into()?),
            Some(Command::Pub(opts)) => Self::Publish(opts.try_into()?),
            Some(Command::Sub(opts)) => Self::Subscribe(opts.try_into()?),
        })
    }
}

impl TryFrom<ServeOpts> for ServeConfig {
    type Error = ConfigError;

    fn try_from(opts: ServeOpts) -> Result<Self, ConfigError> {
        let publish_token = opts.publish_token.map(Token::new).transpose()?;
        let local = opts.listen.ip().to_canonical().is_loopback();
        if !local && publish_token.is_none() && !opts.insecure {
            return Err(ConfigError::AnyoneMayPublish(opts.listen));
        }
        let half = |given, missing| Err(ConfigError::HalfOfTls { given, missing });
        let tls = match (opts.tls_cert, opts.tls_key) {
            (Some(cert), Some(key)) => Some(tls::server(&cert, &key)?),
            (Some(_), None) => return half("--tls-cert", "--tls-key"),
            (None, Some(_)) => return half("--tls-key", "--tls-cert"),
            (None, None) => None,
        };
        Ok(Self {
            listen: opts.listen,
            hub: opts.channels.hub_config(opts.keep_alive),
            broker: Broker::new(opts.channels.broker),
            hosts: Hosts::new(opts.listen.ip(), &opts.hosts)?,
            publish_token,
            allowed_origins: opts.allowed_origins,
            scheme_headers: opts
                .trust_proxy_scheme
                .into_iter()
                .map(Into::into)
                .collect(),
            client_publish: opts.allow_client_publish,
            shards: opts.shards,
            tls,
        })
    }
}

impl ChannelOpts {
    pub(crate) fn hub_config(&self, keep_alive: Duration) -> HubConfig {
        HubConfig::default()
            .history(self.history, self.history_age)
            .keep_alive(keep_alive)
            .idempotency_window(self.idempotency_window)
            .broker_patience(self.broker_patience)
            .check_period(self.check_period)
    }
}

impl From<ProxyHeader> for SchemeHeader {
    fn from(header: ProxyHeader) -> Self {
        match header {
            ProxyHeader::XForwardedProto => Self::XForwardedProto,
            ProxyHeader::Forwarded => Self::Forwarded,
        }
    }
}

impl TryFrom<PubOpts> for PublishConfig {
    type Error = ConfigError;

    fn try_from(opts: PubOpts) -> Result<Self, ConfigError> {
        Ok(Self {
            server: opts.server.try_into()?,
            channel: opts.channel,
            source: match opts.data {
                Some(data) if data != "-" => Source::Argument(data),
                _ => Source::StandardInput,
            },
            json: opts.json,
            idempotency_key: opts.idempotency_key.map(idempotency_key).transpose()?,
        })
    }
}

impl TryFrom<SubOpts> for SubscribeConfig {
    type Error = ConfigError;

    fn try_from(opts: SubOpts) -> Result<Self, ConfigError> {
        Ok(Self {
            server: opts.server.try_into()?,
            channel: opts.channel,
            since: opts.since,
            transport: opts.transport,
        })
    }
}

impl TryFrom<ServerOpts> for Server {
    type Error = ConfigError;

    fn try_from(opts: ServerOpts) -> Result<Self, ConfigError> {
        let token = opts.token.map(Token::new).transpose()?;
        let tls = tls::client(opts.ca.as_deref())?;
        Ok(Self::new(&opts.url, token, tls)?)
    }
}

fn idempotency_key(key: String) -> Result<HeaderValue, ConfigError> {
    let is_visible = key.bytes().all(|byte| byte.is_ascii_graphic());
    match HeaderValue::try_from(&key) {
        Ok(value) if is_visible && (1..=255).contains(&key.len()) => Ok(value),
        _ => Err(ConfigError::IdempotencyKey(key)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn serve(args: &str) -> Result<Config, ConfigError> {
        Opts::parse_from(["encke", "serve"].into_iter().chain(args.split(' '))).try_into()
    }

    #[test]
    fn other_machines_are_let_in_only_with_a_token_or_aloud() {
        for address in [
            "0.0.0.0:9000",
            "[::]:9000",
            "192.0.2.1:9000",
            "[::ffff:192.0.2.1]:9000",
        ] {
            assert!(matches!(
                serve(&format!("--listen {address}")),
                Err(ConfigError::AnyoneMayPublish(_))
            ));
            assert!(serve(&format!("--listen {address} --publish-token t")).is_ok());
            assert!(serve(&format!("--listen {address} --insecure")).is_ok());
        }
        for address in ["127.0.0.1:9000", "127.3.2.1:9000", "[::1]:9000"] {
            assert!(serve(&format!("--listen {address}")).is_ok());
        }
    }

    #[test]
    fn an_empty_token_is_no_token() {
        let error = serve("--listen 0.0.0.0:9000 --publish-token=").map(|_| ());
        assert!(matches!(error, Err(ConfigError::Token(_))));
    }
}
