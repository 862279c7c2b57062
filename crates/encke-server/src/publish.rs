//! `encke pub`: one POST, and the position it got.

use std::io::{self, Read, Write};

use bytes::Bytes;
use http::{Method, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;
use thiserror::Error;

use crate::{
    BoxError,
    client::{ClientError, block_on},
    config::{PublishConfig, Source},
};

/// Far above what a server takes; keeps an endless input from filling the memory.
const MAX_INPUT: u64 = 64 << 20;

/// More than any answer to a publish needs.
const MAX_ANSWER: usize = 16 << 10;

#[derive(Debug, Error)]
enum InputError {
    #[error("cannot read standard input")]
    Read(#[from] io::Error),
    #[error("standard input exceeds {MAX_INPUT} bytes")]
    TooLong,
}

pub(crate) fn run(config: PublishConfig) -> Result<(), BoxError> {
    let data = match &config.source {
        Source::Argument(data) => Bytes::from(data.clone()),
        Source::StandardInput => read_input()?,
    };
    let position = block_on(publish(&config, data))??;
    match writeln!(io::stdout(), "{position}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn read_input() -> Result<Bytes, InputError> {
    let mut data = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut data)?;
    if data.len() as u64 > MAX_INPUT {
        return Err(InputError::TooLong);
    }
    Ok(data.into())
}

async fn publish(config: &PublishConfig, data: Bytes) -> Result<String, ClientError> {
    let mut request = config.server.request(Method::POST, &config.channel, &[]);
    // Without a type the server takes UTF-8 as text and anything else as bytes.
    if config.json {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(key) = &config.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let request = request
        .body(Full::new(data))
        .expect("a checked URL and an encoded channel");
    let answer = config.server.send(request).await?;
    let answer = match Limited::new(answer.into_body(), MAX_ANSWER).collect().await {
        Ok(answer) => answer.to_bytes(),
        Err(error) => return Err(config.server.cut(&*error)),
    };
    match serde_json::from_slice::<Value>(&answer) {
        Ok(Value::Object(fields)) if fields.get("position").is_some_and(Value::is_string) => {
            Ok(fields["position"].as_str().unwrap_or_default().to_owned())
        }
        _ => Err(config.server.unexpected(&answer)),
    }
}
