//! What a started server says: where it is and what to try next.

use std::{
    fmt,
    io::{self, Write},
    net::SocketAddr,
};

/// The lines printed at startup.
pub(crate) struct Banner {
    pub(crate) address: SocketAddr,
    pub(crate) scheme: &'static str,
    pub(crate) needs_token: bool,
    /// The broker whose channels it has, as it may be shown; `None` where they are its own.
    pub(crate) broker: Option<String>,
}

impl Banner {
    /// Prints it; a server whose output nobody reads runs all the same.
    pub(crate) fn print(&self) -> io::Result<()> {
        let mut output = io::stdout().lock();
        match write!(output, "{self}").and_then(|()| output.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme;
        let mut near = self.address;
        if near.ip().is_unspecified() {
            near.set_ip(if near.is_ipv4() {
                [127, 0, 0, 1].into()
            } else {
                [0, 0, 0, 0, 0, 0, 0, 1].into()
            });
        }
        // Brackets are a pattern to curl.
        let curl = if near.is_ipv6() { "curl -g" } else { "curl" };
        let token = if self.needs_token {
            "-H 'Authorization: Bearer TOKEN' "
        } else {
            ""
        };
        writeln!(
            f,
            "encke {} listens on {scheme}://{}",
            env!("CARGO_PKG_VERSION"),
            self.address
        )?;
        if let Some(broker) = &self.broker {
            writeln!(f, "its channels are those of {broker}")?;
        }
        writeln!(f)?;
        writeln!(f, "  look     {scheme}://{near}/")?;
        writeln!(f, "  listen   {curl} -N '{scheme}://{near}/live/news'")?;
        writeln!(
            f,
            "  publish  {curl} {token}-d 'hello' '{scheme}://{near}/live/news'"
        )?;
        writeln!(
            f,
            r#"  embed    <iframe src="/live/news?callback=parent.cometMessage" hidden></iframe>"#
        )?;
        writeln!(f)?;
        writeln!(f, "Ctrl-C ends it.")
    }
}
