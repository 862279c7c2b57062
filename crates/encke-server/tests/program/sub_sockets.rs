//! `encke sub --transport ws`, against the program and against servers of other minds.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    task::{Context, Poll},
    thread,
};

use encke::{
    Body, BoxError, WebSocket,
    websocket::{CloseCode, CloseWith, Incoming, KeepAlive, Message, Outgoing, codec},
};
use http::{HeaderValue, Request, Response, header};
use tokio::runtime::Runtime;
use tower_service::Service;

use crate::{
    listener::{Listener, publish},
    support::{PATIENCE, Server, complaint, run},
};

const WS: [&str; 3] = ["news", "--transport", "ws"];

#[test]
fn it_prints_what_ndjson_prints() {
    let server = Server::start(&[]);
    let since = publish(&server, &["news", "kiki"]);
    publish(&server, &["news", "été\n\"foo\""]);
    publish(&server, &["news", "--json", r#"{ "n": 1.50 }"#]);
    server.publish("news", &[], b"\xff\x00");
    let long = "long ".repeat(20_000);
    server.publish("news", &[], long.as_bytes());
    let mut listeners = ["ndjson", "ws"].map(|transport| {
        let args = ["news", "--since", &since, "--transport", transport];
        Listener::start(&server, &args)
    });
    let [lines, messages] = listeners.each_mut().map(|listener| {
        let mut lines = vec![listener.line()];
        while !lines.last().is_some_and(|line| line.contains("long ")) {
            lines.push(listener.line());
        }
        lines
    });
    assert!(lines.len() >= 4, "{lines:?}");
    assert_eq!(messages, lines);
    publish(&server, &["news", "live"]);
    assert_eq!(listeners[1].item()["data"], "live");
}

#[test]
fn what_is_lost_is_printed_as_a_gap() {
    let server = Server::start(&[]);
    let args = ["news", "--since", "0123456789abcdef:7", "--transport", "ws"];
    let mut listener = Listener::start(&server, &args);
    while !listener.item()["gap"].is_object() {}
}

#[test]
fn it_ends_with_the_server_and_quietly_when_its_reader_has_enough() {
    let mut server = Server::start(&[]);
    let mut listener = Listener::start(&server, &WS);
    listener.item();
    let mut child = crate::support::encke(&["sub", "demo/clock", "--transport", "ws"])
        .args(["--url", &server.url()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    server.terminate();
    let output = listener.end();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_the_server_refuses_is_told_with_its_reason() {
    let server = Server::start(&[]);
    let ask = |args: &[&str]| complaint(&run(&[&["sub", "--transport", "ws"], args].concat()));
    let refused = ask(&["--url", &server.url(), "news", "--since", "!!"]);
    assert!(refused.contains("400"), "{refused}");
    let unreachable = ask(&["--url", "ws://127.0.0.1:1", "news"]);
    assert!(
        unreachable.contains("cannot reach ws://127.0.0.1:1"),
        "{unreachable}"
    );
}

/// Passes the bytes of one connection on until it is cut.
struct Proxy {
    url: String,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    fn before(site: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}", listener.local_addr().expect("an address"));
        let ends = Arc::new(Mutex::new(Vec::new()));
        let both = ends.clone();
        thread::spawn(move || -> io::Result<()> {
            let (client, _) = listener.accept()?;
            let server = TcpStream::connect(site)?;
            both.lock()
                .expect("no test panics with it")
                .extend([client.try_clone()?, server.try_clone()?]);
            let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
            thread::spawn(move || io::copy(&mut from, &mut to));
            let (mut from, mut to) = (server, client);
            io::copy(&mut from, &mut to).map(drop)
        });
        Self { url, ends }
    }

    fn cut(&self) {
        for end in &*self.ends.lock().expect("no test panics with it") {
            end.shutdown(Shutdown::Both).expect("it is connected");
        }
    }
}

#[test]
fn a_cut_connection_is_told_and_continued_without_loss() {
    let server = Server::start(&[]);
    for transport in ["ws", "ndjson"] {
        let args = ["news", "--transport", transport];
        let proxy = Proxy::before(server.address);
        let mut listener = Listener::at(&proxy.url, &args);
        listener.item();
        publish(&server, &["news", "kiki"]);
        let item = listener.item();
        assert_eq!(item["data"], "kiki");
        proxy.cut();
        let told = complaint(&listener.end());
        assert!(
            told.contains(&proxy.url) && told.contains("was cut") && told.contains("--since"),
            "{told}"
        );

        publish(&server, &["news", "foo"]);
        let position = item["position"].as_str().expect("a position is text");
        let mut listener = Listener::start(&server, &[&args[..], &["--since", position]].concat());
        let mut next = listener.item();
        if next["data"].is_null() {
            assert!(next["gap"].is_null(), "{next}");
            next = listener.item();
        }
        assert_eq!(next["data"], "foo");
    }
}

/// A server that does with every socket what a test says.
struct Peer {
    url: String,
    _runtime: Runtime,
}

#[derive(Clone)]
struct Answer(Arc<dyn Fn(Request<()>) -> Response<Body> + Send + Sync>);

impl<B> Service<Request<B>> for Answer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok((self.0)(request.map(drop))))
    }
}

impl Peer {
    fn start(answer: impl Fn(Request<()>) -> Response<Body> + Send + Sync + 'static) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let tcp = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let tcp = tcp.expect("a free port");
        let url = format!("http://{}", tcp.local_addr().expect("an address"));
        runtime.spawn(encke::serve(tcp, Answer(Arc::new(answer))).into_future());
        Self {
            url,
            _runtime: runtime,
        }
    }

    /// Serves sockets with what `talk` does.
    fn talking<F>(
        talk: impl Fn(Incoming<Message>, Outgoing<Message>) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Self::start(move |request| {
            let talk = talk.clone();
            accept(request, |ws| {
                ws.keep_alive(KeepAlive::Off)
                    .using(codec::Messages)
                    .with(|ws| async move {
                        let (incoming, outgoing) = ws.accept().await?;
                        talk(incoming, outgoing).await
                    })
            })
        })
    }

    fn complaint(&self) -> String {
        complaint(&run(&[&["sub"], &WS[..], &["--url", &self.url]].concat()))
    }
}

fn accept(request: Request<()>, with: impl FnOnce(WebSocket) -> Response<Body>) -> Response<Body> {
    match WebSocket::from_request(&mut request.into_parts().0) {
        Ok(ws) => with(ws),
        Err(error) => error.into_response(),
    }
}

#[test]
fn pings_are_answered_also_while_nobody_reads_the_output() {
    let (answered, answers) = mpsc::channel();
    // More than a pipe holds, and less than a socket may have waiting.
    let line = "x".repeat(10_000);
    let peer = Peer::talking(move |mut incoming, outgoing| {
        let (answered, line) = (answered.clone(), line.clone());
        async move {
            for _ in 0..10 {
                outgoing.send(line.as_str()).await?;
            }
            outgoing.send(Message::Ping("kiki".into())).await?;
            while let Some(message) = incoming.next().await {
                if message == Message::Pong("kiki".into()) {
                    answered.send(())?;
                    return Ok(());
                }
            }
            Err("the client left".into())
        }
    });
    let mut listener = Listener::at(&peer.url, &WS);
    answers.recv_timeout(PATIENCE).expect("a pong");
    let output = listener.end();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout.len(), 10 * 10_001);
}

#[test]
fn how_the_server_closes_is_told_unless_it_is_the_end() {
    let peer = Peer::talking(|_, _| async {
        Err(CloseWith::new(CloseCode::POLICY_VIOLATION, "not for you").into())
    });
    let told = peer.complaint();
    assert!(told.contains("1008 not for you"), "{told}");
    let peer = Peer::talking(|_, outgoing| async move {
        outgoing.send(Message::Binary("kiki".into())).await?;
        outgoing.closed().await;
        Ok(())
    });
    let told = peer.complaint();
    assert!(told.contains("1003"), "{told}");
}

#[test]
fn answers_that_open_no_socket_are_told() {
    let changed = |name: header::HeaderName, value: &'static str| {
        let peer = Peer::start(move |request| {
            let mut response = accept(request, |ws| ws.text(|incoming| incoming));
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(&name, value);
            response
        });
        peer.complaint()
    };
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let told = changed(header::SEC_WEBSOCKET_ACCEPT, accept);
    assert!(told.contains("Sec-WebSocket-Accept"), "{told}");
    let told = changed(header::SEC_WEBSOCKET_EXTENSIONS, "x-unknown");
    assert!(told.contains("x-unknown"), "{told}");

    let told = Peer::start(|_| Response::new(Body::empty())).complaint();
    assert!(
        told.contains("200") && told.contains("--transport"),
        "{told}"
    );
}
