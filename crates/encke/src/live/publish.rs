//! POST: the body is published, its position is the answer.

use super::listen::unavailable;
use crate::{Body, BoxError, PublishError, broker::Publishing, hub::Shared, problem};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use encke_proto::{Binding, Channel, Data, JsonText, ndjson, token_of};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

/// How long a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How much of a body over its limit is read and thrown away, in bytes and in time, so that a
/// client which sends all before it reads gets to the answer.
const DISCARDED: usize = 16 << 20;
const DISCARDING: Duration = Duration::from_secs(2);

/// Publishes the body to the channel.
pub(super) async fn publish<B>(
    hub: &Arc<Shared>,
    channel: &Channel,
    headers: &HeaderMap,
    body: B,
    limit: usize,
) -> Response<Body>
where
    B: http_body::Body<Data: Buf, Error: Into<BoxError>>,
{
    let kind = match Kind::of(headers) {
        Ok(kind) => kind,
        Err(problem) => return *problem,
    };
    let idempotency_key = match idempotency_key(headers) {
        Ok(key) => key,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, detail),
    };
    let body = match tokio::time::timeout(BODY_TIMEOUT, read(body, limit)).await {
        Ok(Ok(body)) => body,
        Ok(Err(ReadError::TooLarge)) => {
            let detail = format!("the body exceeds the limit of {limit} bytes");
            return problem(StatusCode::PAYLOAD_TOO_LARGE, detail);
        }
        Ok(Err(ReadError::Broken(error))) => {
            return problem(
                StatusCode::BAD_REQUEST,
                format!("the body ended early: {error}"),
            );
        }
        Err(_) => {
            return problem(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            );
        }
    };
    let data = match kind.data(body) {
        Ok(data) => data,
        Err(detail) => return problem(StatusCode::BAD_REQUEST, detail),
    };
    let publishing = Publishing {
        channel: channel.clone(),
        data,
        idempotency_key,
    };
    let position = match hub.publish(&publishing).await {
        Ok(position) => position,
        Err(error) => return refuse(&error),
    };
    let token = token_of(Binding::of([channel]), position);
    let mut answer = String::new();
    ndjson::write_opened(
        std::slice::from_ref(channel),
        &[position],
        &token,
        &mut answer,
    );
    answer.push('\n');
    let mut response = Response::new(Body::full(answer));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// The key of a publication that is to be made once, as it is or as a string of a structured field
/// (RFC 8941, 3.3.3; draft-ietf-httpapi-idempotency-key-header).
fn idempotency_key(headers: &HeaderMap) -> Result<Option<Arc<str>>, String> {
    let mut keys = headers.get_all(&IDEMPOTENCY_KEY).into_iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    let key = match (key.to_str(), keys.next()) {
        (Ok(key), None) => key.trim(),
        (Err(_), None) => return Err("Idempotency-Key is not visible ASCII".to_owned()),
        (_, Some(_)) => return Err("more than one Idempotency-Key".to_owned()),
    };
    let quoted = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
    Ok(Some(quoted.unwrap_or(key).into()))
}

fn refuse(error: &PublishError) -> Response<Body> {
    match error {
        PublishError::InvalidKey(_) => problem(StatusCode::BAD_REQUEST, error),
        PublishError::ShutDown => problem(StatusCode::SERVICE_UNAVAILABLE, error),
        PublishError::Unavailable(_) => unavailable(error),
        // It may have been published: whoever tries again should know.
        PublishError::Unanswered(_) => problem(StatusCode::GATEWAY_TIMEOUT, error),
        PublishError::Refused(_) => problem(StatusCode::BAD_GATEWAY, error),
    }
}

/// How a body is to be taken.
enum Kind {
    TextOrBytes,
    Json,
    Bytes,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Result<Self, Box<Response<Body>>> {
        let Some(content_type) = headers.get(header::CONTENT_TYPE) else {
            return Ok(Self::TextOrBytes);
        };
        let content_type = String::from_utf8_lossy(content_type.as_bytes());
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        match essence.to_ascii_lowercase().as_str() {
            // What curl says when it is told nothing.
            "" | "application/x-www-form-urlencoded" | "text/plain" => Ok(Self::TextOrBytes),
            "application/json" => Ok(Self::Json),
            "application/octet-stream" => Ok(Self::Bytes),
            _ => Err(Box::new(problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                format!(
                    "content type {essence:?} is not one of text/plain, application/json and \
                     application/octet-stream"
                ),
            ))),
        }
    }

    fn data(self, body: Bytes) -> Result<Data, String> {
        match self {
            Self::TextOrBytes => Ok(Data::text_or_bytes(body)),
            // Without the room that was left for more of them.
            Self::Bytes => Ok(Data::Bytes(Bytes::copy_from_slice(&body))),
            Self::Json => {
                let text = str::from_utf8(&body)
                    .map_err(|error| format!("the JSON is not UTF-8: {error}"))?;
                let json = JsonText::parse(text).map_err(|error| error.to_string())?;
                Ok(Data::Json(json))
            }
        }
    }
}

enum ReadError {
    TooLarge,
    Broken(BoxError),
}

async fn read<B>(body: B, limit: usize) -> Result<Bytes, ReadError>
where
    B: http_body::Body<Data: Buf, Error: Into<BoxError>>,
{
    let mut body = pin!(body);
    let mut bytes = BytesMut::new();
    if read_within(body.as_mut(), limit, &mut bytes).await? {
        return Ok(bytes.freeze());
    }
    let _ = tokio::time::timeout(DISCARDING, discard(body)).await;
    Err(ReadError::TooLarge)
}

/// Reads to the end, or to the limit; gives whether it came to the end.
async fn read_within<B>(
    mut body: Pin<&mut B>,
    limit: usize,
    bytes: &mut BytesMut,
) -> Result<bool, ReadError>
where
    B: http_body::Body<Data: Buf, Error: Into<BoxError>>,
{
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ReadError::Broken(error.into()))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.remaining() > limit - bytes.len() {
            return Ok(false);
        }
        bytes.put(data);
    }
    Ok(true)
}

async fn discard<B>(mut body: Pin<&mut B>)
where
    B: http_body::Body<Data: Buf>,
{
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await
        && discarded < DISCARDED
    {
        discarded += frame.data_ref().map_or(0, Buf::remaining);
    }
}
