//! `GET /stats/NAME`: how many listen to a channel, and where it stands.

use std::sync::Arc;

use encke::{Body, ChannelStats, Hub, problem};
use http::{
    HeaderValue, Method, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::{publishers::Publishers, site::only_read};

/// The path of the statistics; what follows it is a channel's name.
const STATS: &str = "/stats/";

/// When to ask again for what a broker cannot tell now.
const RETRY: HeaderValue = HeaderValue::from_static("2");

/// The numbers of a hub's channels, for who may publish to them.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    hub: Hub,
    publishers: Arc<Publishers>,
}

impl Statistics {
    pub(crate) fn new(hub: Hub, publishers: Arc<Publishers>) -> Self {
        Self { hub, publishers }
    }

    /// The channel, as its name is written in a path to its statistics.
    pub(crate) fn channel_at(path: &str) -> Option<&str> {
        path.strip_prefix(STATS)
    }

    pub(crate) async fn answer(self, request: Parts) -> Response<Body> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return only_read("statistics can only be read");
        }
        if let Err(error) = self.publishers.check(&request) {
            return error.into_response();
        }
        let name = Self::channel_at(request.uri.path()).unwrap_or_default();
        let Ok(name) = percent_decode_str(name).decode_utf8() else {
            return problem(StatusCode::BAD_REQUEST, "the channel's name is not UTF-8");
        };
        let channel = match self.hub.channel(name) {
            Ok(channel) => channel,
            Err(error) => return problem(StatusCode::BAD_REQUEST, error),
        };
        match channel.stats().await {
            Ok(stats) => in_json(channel.name().as_str(), &stats),
            Err(error) => {
                let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, error);
                response.headers_mut().insert(RETRY_AFTER, RETRY);
                response
            }
        }
    }
}

fn in_json(channel: &str, stats: &ChannelStats) -> Response<Body> {
    let text = json!({
        "channel": channel,
        "subscribers": stats.listeners,
        "epoch": stats.position.epoch.to_string(),
        "offset": stats.position.offset,
        "position": stats.position.to_string(),
    });
    let mut response = Response::new(Body::full(format!("{text}\n")));
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_TYPE, "application/json"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
