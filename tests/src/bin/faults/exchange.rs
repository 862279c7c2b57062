//! As much of HTTP/1.1 as clients need that are cut anywhere: a request, a head, a body piece by piece.

use std::io;
use std::net::SocketAddr;

use http::{HeaderName, HeaderValue, Response};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// A connection, behind the head of its answer.
pub(crate) type Connection = BufReader<TcpStream>;

/// How much of what it is sent a client's socket takes before that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receives {
    Much,
    Little,
}

/// Sends a request with these lines behind its first, and reads the head of the answer.
pub(crate) async fn ask(
    address: SocketAddr,
    receives: Receives,
    request: &str,
    body: &[u8],
) -> io::Result<(Response<()>, Connection)> {
    let socket = TcpSocket::new_v4()?;
    if receives == Receives::Little {
        socket.set_recv_buffer_size(4096)?;
    }
    let mut stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    let mut bytes = format!("{request}host: localhost\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).await?;
    let mut stream = BufReader::new(stream);
    let head = head(&mut stream).await?;
    Ok((head, stream))
}

async fn head(stream: &mut Connection) -> io::Result<Response<()>> {
    let mut head = Response::new(());
    let status = line(stream).await?;
    let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    *head.status_mut() = code.ok_or_else(|| odd(&status))?;
    loop {
        let line = line(stream).await?;
        if line.is_empty() {
            return Ok(head);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| odd(&line))?;
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| odd(&line))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| odd(&line))?;
        head.headers_mut().append(name, value);
    }
}

async fn line(stream: &mut Connection) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    match line.strip_suffix("\r\n") {
        Some(line) => Ok(line.to_owned()),
        None => Err(cut()),
    }
}

/// The body of an answer that says how long it is.
pub(crate) async fn short_body(
    head: &Response<()>,
    stream: &mut Connection,
) -> io::Result<Vec<u8>> {
    let length = head.headers().get("content-length");
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let mut body = vec![0; length.ok_or_else(|| odd("an answer without a length"))?];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

/// A body in chunks that goes on and on.
pub(crate) struct Body {
    stream: Connection,
    next: Next,
    /// Decoded, and not given yet.
    text: Vec<u8>,
}

/// What comes next on the wire.
#[derive(Clone, Copy)]
enum Next {
    /// A digit of a chunk's size, or the end of the line it is in.
    Size(usize),
    Data(usize),
    /// So many bytes of the line's end behind a chunk.
    DataEnd(usize),
    Ended,
}

impl Body {
    pub(crate) fn new(stream: Connection) -> Self {
        Self {
            stream,
            next: Next::Size(0),
            text: Vec::new(),
        }
    }

    /// What comes before the next `end`; `None` where the body ends as it should.
    ///
    /// Cancel safe: what was read is kept.
    pub(crate) async fn until(&mut self, end: &[u8]) -> io::Result<Option<String>> {
        let mut searched = 0;
        loop {
            let found = self.text[searched..]
                .windows(end.len())
                .position(|part| part == end);
            if let Some(found) = found {
                let mut piece: Vec<u8> = self.text.drain(..searched + found + end.len()).collect();
                piece.truncate(searched + found);
                return String::from_utf8(piece)
                    .map(Some)
                    .map_err(|_| odd("not UTF-8"));
            }
            searched = (self.text.len() + 1).saturating_sub(end.len());
            if matches!(self.next, Next::Ended) {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        let bytes = self.stream.fill_buf().await?;
        if bytes.is_empty() {
            return Err(cut());
        }
        let mut used = 0;
        while used < bytes.len() {
            match self.next {
                Next::Size(size) => {
                    self.next = match bytes[used] {
                        b'\r' => self.next,
                        b'\n' if size == 0 => Next::Ended,
                        b'\n' => Next::Data(size),
                        digit => match char::from(digit).to_digit(16) {
                            Some(digit) => Next::Size(size * 16 + digit as usize),
                            None => return Err(odd("a chunk without a size")),
                        },
                    };
                    used += 1;
                }
                Next::Data(left) => {
                    let taken = left.min(bytes.len() - used);
                    self.text.extend_from_slice(&bytes[used..used + taken]);
                    used += taken;
                    self.next = match left - taken {
                        0 => Next::DataEnd(2),
                        left => Next::Data(left),
                    };
                }
                Next::DataEnd(left) => {
                    used += 1;
                    self.next = match left {
                        1 => Next::Size(0),
                        left => Next::DataEnd(left - 1),
                    };
                }
                Next::Ended => used = bytes.len(),
            }
        }
        self.stream.consume(used);
        Ok(())
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "cut")
}

pub(crate) fn odd(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("odd: {what:.200}"))
}
