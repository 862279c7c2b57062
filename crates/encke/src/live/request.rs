//! What a request for channels asks for.

use super::query;
use crate::{
    LastEventId,
    origin::{Origins, UnclearScheme},
};
use encke_proto::{
    Channel, InvalidChannel, InvalidPosition, Position, Since, Start,
    comet::{Callback, InvalidCallback, Origin},
    excerpt,
};
use http::{HeaderName, Method, header, request::Parts};
use percent_encoding::percent_decode_str;
use std::{borrow::Cow, sync::Arc};

/// Most channels of one session.
const MAX_CHANNELS: usize = 128;

/// A request to listen, checked.
#[derive(Debug)]
pub(super) struct Listen {
    pub(super) wanted: Wanted,
    pub(super) envelope: bool,
    /// One for each channel.
    pub(super) starts: Vec<Start>,
}

/// The transport a client wants.
#[derive(Debug)]
pub(super) enum Wanted {
    WebSocket,
    Sse,
    Ndjson,
    /// Comet that calls a function of the page around it.
    CometCallback(Callback),
    /// Comet that posts to the page around it, of another origin.
    CometPost(Origin),
}

/// Why a request cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum InvalidRequest {
    #[error("InvalidChannel: {0}")]
    Channel(#[from] InvalidChannel),
    #[error("no channel: name one in the path or with ?channel=")]
    NoChannel,
    #[error("more than {MAX_CHANNELS} channels, the limit for one session")]
    TooManyChannels,
    #[error("parameter {0}: not UTF-8 once percent-decoded")]
    NotUtf8(&'static str),
    #[error("parameter transport: {0:?} is not one of ws, sse, comet and ndjson")]
    Transport(String),
    #[error("parameter callback: a Comet socket needs callback=parent.NAME, or post=ORIGIN")]
    NoTarget,
    #[error("parameter callback: {0}")]
    Callback(#[from] InvalidCallback),
    #[error("parameter post: give it in place of callback, not beside it")]
    TwoTargets,
    #[error("parameter since: {0}")]
    Since(#[from] InvalidPosition),
    #[error("parameter history: {0:?} is not a whole number")]
    History(String),
    #[error("parameter envelope: {0:?} is neither 1 nor 0")]
    Envelope(String),
    #[error("parameter post: pages of {0:?} may not listen here")]
    ForeignReceiver(String),
    #[error("parameter post: {0}")]
    UnclearScheme(#[from] UnclearScheme),
    #[error("a Comet socket is loaded into an iframe, not as {0:?}")]
    NotFramed(String),
}

impl InvalidRequest {
    /// Whether the request is well formed but not allowed.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::ForeignReceiver(_) | Self::UnclearScheme(_) | Self::NotFramed(_)
        )
    }
}

/// The channels that a request names: the one of its path, then those of its query.
pub(super) fn channels(request: &Parts, prefix: &str) -> Result<Arc<[Channel]>, InvalidRequest> {
    let query = request.uri.query().unwrap_or_default();
    let name = name_in(request.uri.path(), prefix);
    let in_path = (!name.is_empty()).then(|| Cow::from(percent_decode_str(name)));
    let in_query = query::values(query, "channel");
    let mut channels = Vec::new();
    for name in in_path.into_iter().chain(in_query) {
        let channel = Channel::from_utf8(&name)?;
        if !channels.contains(&channel) {
            channels.push(channel);
        }
        if channels.len() > MAX_CHANNELS {
            return Err(InvalidRequest::TooManyChannels);
        }
    }
    if channels.is_empty() {
        return Err(InvalidRequest::NoChannel);
    }
    Ok(channels.into())
}

fn name_in<'a>(path: &'a str, prefix: &str) -> &'a str {
    let below = path.strip_prefix(prefix);
    let below = below.filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = below.unwrap_or(path);
    path.strip_prefix('/').unwrap_or(path)
}

impl Listen {
    /// Reads the query and headers of a request to listen to `channels`.
    pub(super) fn parse(
        request: &Parts,
        channels: &[Channel],
        origins: &Origins,
    ) -> Result<Self, InvalidRequest> {
        let query = Query(request.uri.query().unwrap_or_default());
        Ok(Self {
            wanted: wanted(&query, request, origins)?,
            envelope: query.flag()?,
            starts: starts(&query, request, channels)?,
        })
    }
}

struct Query<'a>(&'a str);

impl Query<'_> {
    fn text(&self, name: &'static str) -> Result<Option<String>, InvalidRequest> {
        let value = query::text(self.0, name).transpose();
        value.map_err(|_| InvalidRequest::NotUtf8(name))
    }

    fn flag(&self) -> Result<bool, InvalidRequest> {
        match self.text("envelope")?.as_deref() {
            None | Some("0" | "false") => Ok(false),
            Some("" | "1" | "true") => Ok(true),
            Some(other) => Err(InvalidRequest::Envelope(excerpt(other))),
        }
    }
}

fn wanted(query: &Query<'_>, request: &Parts, origins: &Origins) -> Result<Wanted, InvalidRequest> {
    let callback = query.text("callback")?;
    let post = query.text("post")?;
    let framed = callback.is_some() || post.is_some();
    match query.text("transport")?.as_deref() {
        Some("ws") => Ok(Wanted::WebSocket),
        Some("sse") => Ok(Wanted::Sse),
        Some("ndjson") => Ok(Wanted::Ndjson),
        Some("comet") => comet(callback, post, request, origins),
        Some(other) => Err(InvalidRequest::Transport(excerpt(other))),
        None if is_handshake(request) => Ok(Wanted::WebSocket),
        None if accepts_event_stream(request) => Ok(Wanted::Sse),
        None if framed => comet(callback, post, request, origins),
        None => Ok(Wanted::Ndjson),
    }
}

/// Whether this asks for a WebSocket, rightly or wrongly: over HTTP/1.1, or HTTP/2 (RFC 8441).
fn is_handshake(request: &Parts) -> bool {
    let upgrade = request.headers.get_all(header::UPGRADE).iter();
    let mut protocols = upgrade
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    request.method == Method::CONNECT
        || protocols.any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

fn accepts_event_stream(request: &Parts) -> bool {
    let accept = request.headers.get_all(header::ACCEPT).iter();
    accept
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|media_type| media_type.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn comet(
    callback: Option<String>,
    post: Option<String>,
    request: &Parts,
    origins: &Origins,
) -> Result<Wanted, InvalidRequest> {
    let wanted = match (callback, post) {
        (None, None) => return Err(InvalidRequest::NoTarget),
        (Some(_), Some(_)) => return Err(InvalidRequest::TwoTargets),
        (Some(callback), None) => Wanted::CometCallback(Callback::in_parent(&callback)?),
        (None, Some(origin)) => match origins.receiver(&origin, request)? {
            Some(origin) => Wanted::CometPost(origin),
            None => return Err(InvalidRequest::ForeignReceiver(excerpt(&origin))),
        },
    };
    check_framed(request)?;
    Ok(wanted)
}

static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Its scripts run where they are loaded: nowhere but in a frame of a page that wants them.
fn check_framed(request: &Parts) -> Result<(), InvalidRequest> {
    match request.headers.get(&SEC_FETCH_DEST) {
        Some(destination) if destination != "iframe" && destination != "frame" => {
            let destination = String::from_utf8_lossy(destination.as_bytes());
            Err(InvalidRequest::NotFramed(excerpt(&destination)))
        }
        _ => Ok(()),
    }
}

/// `Last-Event-ID` wins over `?since=`: an EventSource reconnects to the same URL.
fn starts(
    query: &Query<'_>,
    request: &Parts,
    channels: &[Channel],
) -> Result<Vec<Start>, InvalidRequest> {
    if let Some(last) = LastEventId::of(&request.headers) {
        // An EventSource gives up for ever on a 400; one that gets a gap goes on.
        let positions = Since::parse(last.as_str())
            .and_then(|since| since.positions(channels))
            .unwrap_or_else(|_| vec![Position::UNKNOWN; channels.len()]);
        return Ok(positions.into_iter().map(Start::After).collect());
    }
    let since: Vec<_> = query::values(query.0, "since")
        .map(|value| String::from_utf8(value.into_owned()))
        .collect::<Result<_, _>>()
        .map_err(|_| InvalidRequest::NotUtf8("since"))?;
    if !since.is_empty() {
        let since = Since::parse_all(since.iter().map(String::as_str))?;
        let positions = since.positions(channels)?;
        return Ok(positions.into_iter().map(Start::After).collect());
    }
    let start = match query.text("history")? {
        None => Start::Head,
        Some(count) => Start::Recent(
            count
                .parse()
                .map_err(|_| InvalidRequest::History(excerpt(&count)))?,
        ),
    };
    Ok(vec![start; channels.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_follows_the_prefix() {
        for (path, prefix, name) in [
            ("/live/news/a", "/live", "news/a"),
            ("/live", "/live", ""),
            ("/livenews", "/live", "livenews"),
            ("/news", "", "news"),
            ("/", "", ""),
        ] {
            assert_eq!(name_in(path, prefix), name, "{path}");
        }
    }
}
