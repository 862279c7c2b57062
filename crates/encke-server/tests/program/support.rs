//! A started program, and HTTP so plain that nothing between test and program can help.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

/// Longer than anything here takes, shorter than anyone waits.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program, without whatever the environment would tell it.
pub(crate) fn encke(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_encke"));
    command.args(args).env_remove("RUST_LOG");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ENCKE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command that ends by itself.
pub(crate) fn run(args: &[&str]) -> Output {
    encke(args)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

/// What a failed command said on standard error; it must be one line, and the exit code 1.
pub(crate) fn complaint(output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).expect("errors are UTF-8");
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    text
}

/// A server on a free port, ended with the test.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    origin: String,
    pub(crate) banner: String,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", args)
    }

    pub(crate) fn start_at(listen: &str, args: &[&str]) -> Self {
        Self::of(encke(&["serve", "--listen", listen]).args(args))
    }

    /// Starts it with these variables in its environment.
    pub(crate) fn start_with(variables: &[(&str, &str)], args: &[&str]) -> Self {
        let mut command = encke(&["serve", "--listen", "127.0.0.1:0"]);
        Self::of(command.args(args).envs(variables.iter().copied()))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut banner = String::new();
        while !banner.contains("Ctrl-C") {
            assert_ne!(
                output.read_line(&mut banner).expect("the banner is text"),
                0,
                "no banner: {banner}"
            );
        }
        let (_, origin) = banner
            .split_once("listens on ")
            .expect("the banner says where");
        let origin = origin.lines().next().unwrap_or_default().to_owned();
        let (_, address) = origin.split_once("://").expect("a scheme");
        let address = address.parse().expect("an address and a port");
        Self {
            child,
            address,
            origin,
            banner,
        }
    }

    pub(crate) fn url(&self) -> String {
        self.origin.clone()
    }

    /// The head of a request, with the headers that every program sends.
    pub(crate) fn head(&self, line: &str, headers: &[&str]) -> String {
        let mut head = format!("{line} HTTP/1.1\r\n");
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        for header in headers {
            head += &format!("{header}\r\n");
        }
        head
    }

    /// Sends one request and reads its whole answer.
    pub(crate) fn ask(&self, line: &str, headers: &[&str], body: &[u8]) -> Answer {
        let mut head = self.head(line, headers) + "Connection: close\r\n";
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut stream = Stream::connect(self.address);
        stream.send(format!("{head}\r\n").as_bytes());
        // A server may answer before it has read everything.
        let _ = stream.socket.write_all(body);
        Answer::parse(stream.rest())
    }

    pub(crate) fn publish(&self, channel: &str, headers: &[&str], body: &[u8]) -> Answer {
        self.ask(&format!("POST /live/{channel}"), headers, body)
    }

    /// Opens a stream and waits for the end of its head.
    pub(crate) fn listen(&self, target: &str, headers: &[&str]) -> Stream {
        let mut stream = Stream::connect(self.address);
        stream.send((self.head(&format!("GET {target}"), headers) + "\r\n").as_bytes());
        stream.until("\r\n\r\n");
        assert!(stream.seen.starts_with("HTTP/1.1 200 "), "{}", stream.seen);
        stream
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection and what arrived on it so far.
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    pub(crate) seen: String,
}

impl Stream {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("a socket takes a timeout");
        Self {
            socket,
            seen: String::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server reads");
    }

    /// Reads until the text has arrived, and returns everything up to its end.
    pub(crate) fn until(&mut self, text: &str) -> &str {
        while !self.seen.contains(text) {
            let mut bytes = [0; 4096];
            let count = self.socket.read(&mut bytes).unwrap_or_else(|error| {
                panic!("{error} while waiting for {text:?}, seen {:?}", self.seen)
            });
            assert_ne!(
                count, 0,
                "the stream ended before {text:?}, seen {:?}",
                self.seen
            );
            self.seen += &String::from_utf8_lossy(&bytes[..count]);
        }
        &self.seen
    }

    /// Reads to the end of the connection.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset after the answer ends it as well.
        let _ = self.socket.read_to_end(&mut bytes);
        self.seen += &String::from_utf8_lossy(&bytes);
        std::mem::take(&mut self.seen)
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(text: String) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.expect("a status line"),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The detail of a JSON problem with this status.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        problem["detail"]
            .as_str()
            .expect("a problem has a detail")
            .to_owned()
    }
}
