//! Open connections as fast as the server takes them, each with what it missed.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{
    Clock,
    crowd::{Crowd, PATIENCE, Size},
    publisher::Publisher,
    usage::{Since, Usage},
};
use crate::{
    BoxError,
    cli::{ConnectOpts, PublishOpts, SubscribeOpts},
    http::{self, Url},
    poll::{Events, Poll},
};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    run: &'static str,
    name: String,
    transport: &'static str,
    connections: usize,
    /// Publications that each got at once.
    recovered: usize,
    delivered: u64,
    lost: u64,
    again: u64,
    damaged: u64,
    connects_per_second: f64,
    /// CPU of the server per connection, in microseconds.
    cpu_us_per_connect: f64,
    #[serde(flatten)]
    usage: Usage,
}

/// What an answer to a publication says of its position.
#[derive(Debug, Deserialize)]
struct Answer {
    epoch: String,
    offset: u64,
}

pub(super) fn run(opts: &ConnectOpts) -> Result<Report, BoxError> {
    super::pin(&opts.server)?;
    let clock = Clock::start();
    let mut subscribe = SubscribeOpts {
        url: opts.subscribe.url.clone(),
        headers: opts.subscribe.headers.clone(),
        hello: opts.subscribe.hello.clone(),
        ca: opts.subscribe.ca.clone(),
        ..opts.subscribe
    };
    if let Some(url) = &opts.publish_url
        && opts.recover > 0
    {
        let publish = PublishOpts {
            publish_url: url.clone(),
            publish_headers: Vec::new(),
            publish_body: "{}".to_owned(),
            size: opts.size,
        };
        if subscribe.url.contains("{offset}") {
            let Answer { epoch, offset } = publish_one(&publish)?;
            let url = subscribe.url.replace("{epoch}", &epoch);
            subscribe.url = url.replace("{offset}", &offset.to_string());
        }
        publish_all(&publish, opts.recover, clock)?;
    }

    let size = Size {
        subscribers: opts.connections,
        channels: 1,
        recovered: opts.recover as u64,
    };
    let since = Since::now(&opts.server)?;
    let crowd = Crowd::open(&subscribe, &size, clock)?;
    let usage = since.usage()?;

    let connections = opts.connections as f64;
    Ok(Report {
        run: "connect",
        name: opts.server.name.clone(),
        transport: opts.subscribe.transport.name(),
        connections: opts.connections,
        recovered: opts.recover,
        delivered: crowd.tally.delivered,
        lost: crowd.tally.lost,
        again: crowd.tally.again,
        damaged: crowd.tally.damaged,
        connects_per_second: connections / usage.seconds,
        cpu_us_per_connect: usage.server_cpu * 1e6 / connections,
        usage,
    })
}

/// Publishes something that is no payload of ours, and reads where it stands.
fn publish_one(opts: &PublishOpts) -> Result<Answer, BoxError> {
    let Url {
        address,
        host,
        path,
    } = Url::parse(&opts.publish_url.replace("{channel}", "0"))?;
    let mut socket = TcpStream::connect(address)?;
    write!(
        socket,
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nfirst"
    )?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let (_, body) = http::head(&answer).ok_or("no answer to a publication")?;
    Ok(serde_json::from_slice(&answer[body..])?)
}

fn publish_all(opts: &PublishOpts, count: usize, clock: Clock) -> Result<(), BoxError> {
    let mut publisher = Publisher::new(opts, 0, 1, clock, None)?;
    let poll = Poll::new()?;
    poll.add(publisher.stream().socket(), 0)?;
    publisher.publish(count)?;
    let mut events = Events::new();
    while !publisher.is_answered() {
        if clock.now() > PATIENCE.as_nanos() as u64 {
            return Err("publications were not answered".into());
        }
        poll.wait(&mut events, Some(Duration::from_millis(10)))?;
        publisher.read()?;
        publisher.flush()?;
    }
    Ok(())
}
