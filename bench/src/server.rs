//! A server that runs on its core until it is dropped.

use std::{
    fs::OpenOptions,
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{BoxError, machine, place::Place, process::Process};

/// How long a server may take to listen, a Java one on one core too.
const START: Duration = Duration::from_secs(60);

/// How long it may take to end.
const END: Duration = Duration::from_secs(5);

pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts `command`, which is to listen on that port of the loopback address.
    pub(crate) fn start(
        mut command: Command,
        port: u16,
        core: usize,
        place: &Place,
        name: &str,
    ) -> Result<Self, BoxError> {
        let log = place.log(name);
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let errors = output.try_clone()?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        // A process starts on the core of the thread that starts it.
        let started = thread::scope(|scope| {
            let starter = scope.spawn(|| {
                machine::pin(core)?;
                command
                    .spawn()
                    .map_err(|error| format!("cannot run {command:?}: {error}").into())
            });
            starter.join().map_err(|_| "nothing can be started")
        });
        let child: Result<Child, BoxError> = started?;
        let mut server = Self {
            child: child?,
            port,
        };
        server
            .wait_until_it_listens()
            .map_err(|error| format!("{name}: {error}, see {}", log.display()))?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), BoxError> {
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("it ended: {status}").into());
            }
            if begun.elapsed() > START {
                return Err("it does not listen".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let family = Process(self.child.id()).family();
        signal(self.child.id(), Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < END {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        for process in family {
            signal(process, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn signal(process: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

pub(crate) fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
