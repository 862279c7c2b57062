//! `encke sub`: one GET, printed as it comes.

use std::io::{self, Write};

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full};

use crate::{
    BoxError,
    cli::Transport,
    client::{block_on, root_cause},
    config::SubscribeConfig,
    socket,
};

pub(crate) fn run(config: SubscribeConfig) -> Result<(), BoxError> {
    match block_on(subscribe(&config))? {
        // Whoever read the output has enough.
        Err(error) if is_broken_pipe(&*error) => Ok(()),
        result => result,
    }
}

async fn subscribe(config: &SubscribeConfig) -> Result<(), BoxError> {
    let mut query = match config.transport {
        Transport::Ndjson => vec![("transport", "ndjson")],
        Transport::Sse => vec![("transport", "sse")],
        Transport::Comet => vec![("transport", "comet"), ("callback", "parent.cometMessage")],
        Transport::WebSocket => vec![("transport", "ws"), ("envelope", "1")],
    };
    query.extend(config.since.as_deref().map(|position| ("since", position)));
    let request = config
        .server
        .request(Method::GET, &config.channel, &query)
        .body(Full::new(Bytes::new()))
        .expect("a checked URL and an encoded channel");
    if config.transport == Transport::WebSocket {
        return socket::print(&config.server, request).await;
    }
    let mut body = config.server.send(request).await?.into_body();

    let mut output = io::stdout().lock();
    let mut lines = Lines::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame
            .map_err(|error| config.server.interrupted(root_cause(&error)))?
            .into_data()
        else {
            continue;
        };
        match config.transport {
            Transport::Ndjson => output.write_all(&lines.without_empty(&data))?,
            _ => output.write_all(&data)?,
        }
        output.flush()?;
    }
    Ok(())
}

/// Leaves out empty lines, which keep the connection alive, however the bytes are split.
#[derive(Default)]
struct Lines {
    within: bool,
}

impl Lines {
    fn without_empty(&mut self, data: &[u8]) -> Vec<u8> {
        let keep = |&byte: &u8| {
            let ends = byte == b'\n';
            let empty = ends && !self.within;
            self.within = !ends;
            !empty
        };
        data.iter().copied().filter(keep).collect()
    }
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_are_left_out_however_the_bytes_are_split() {
        let input = b"\n{\"a\":1}\n\n\n{\"b\":2}\n\n";
        for at in 0..=input.len() {
            let (head, tail) = input.split_at(at);
            let mut lines = Lines::default();
            let output = [lines.without_empty(head), lines.without_empty(tail)].concat();
            assert_eq!(output, b"{\"a\":1}\n{\"b\":2}\n", "split at {at}");
        }
    }
}
