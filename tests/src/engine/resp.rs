//! As much of Redis' protocol as asking takes: a connection, a command, its reply.

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::pin::Pin;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::patience::PATIENCE;

/// A user who may do everything, whatever others may.
pub(crate) const USER: &str = "encke-tests";

/// What a server answers, where it is no error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Nil,
    Text(Vec<u8>),
    List(Vec<Self>),
}

impl Reply {
    pub(crate) fn into_list(self) -> Vec<Self> {
        match self {
            Self::List(items) => items,
            one => vec![one],
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(bytes) => bytes,
            other => other.to_string().into_bytes(),
        }
    }
}

/// As `redis-cli` shows it: an item to a line.
impl Display for Reply {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("(nil)"),
            Self::Text(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let line_break = if index == 0 { "" } else { "\n" };
                    write!(f, "{line_break}{item}")?;
                }
                Ok(())
            }
        }
    }
}

/// The reply to `command` of the server behind `socket`, or why there is none.
pub(crate) async fn ask(socket: &Path, command: &[&[u8]]) -> Result<Reply, String> {
    let asked = timeout(PATIENCE, ask_patiently(socket, command)).await;
    asked.unwrap_or_else(|_| Err(format!("no answer in {PATIENCE:?}")))
}

async fn ask_patiently(socket: &Path, command: &[&[u8]]) -> Result<Reply, String> {
    let stream = UnixStream::connect(socket).await.map_err(text)?;
    let mut stream = BufReader::new(stream);
    let mut request = encoded(&[b"AUTH", USER.as_bytes(), USER.as_bytes()]);
    request.extend(encoded(command));
    stream.write_all(&request).await.map_err(text)?;
    reply(&mut stream).await?;
    reply(&mut stream).await
}

fn encoded(command: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for argument in command {
        bytes.extend(format!("${}\r\n", argument.len()).bytes());
        bytes.extend_from_slice(argument);
        bytes.extend(b"\r\n");
    }
    bytes
}

type Pending<'a> = Pin<Box<dyn Future<Output = Result<Reply, String>> + Send + 'a>>;

fn reply(from: &mut BufReader<UnixStream>) -> Pending<'_> {
    Box::pin(async move {
        let mut line = String::new();
        from.read_line(&mut line).await.map_err(text)?;
        let kind = line.chars().next().ok_or("the connection was closed")?;
        let rest = line[kind.len_utf8()..].trim_end();
        let length = || rest.parse::<i64>().map_err(text);
        match kind {
            '+' | ':' => Ok(Reply::Text(rest.into())),
            '-' => Err(rest.to_owned()),
            '$' | '*' if length()? < 0 => Ok(Reply::Nil),
            '$' => {
                let length = rest.parse::<usize>().map_err(text)?;
                let mut bytes = vec![0; length + 2];
                from.read_exact(&mut bytes).await.map_err(text)?;
                bytes.truncate(length);
                Ok(Reply::Text(bytes))
            }
            '*' => {
                let mut items = Vec::new();
                for _ in 0..length()? {
                    items.push(reply(from).await?);
                }
                Ok(Reply::List(items))
            }
            _ => Err(format!("not RESP: {line:?}")),
        }
    })
}

fn text(error: impl Display) -> String {
    error.to_string()
}
