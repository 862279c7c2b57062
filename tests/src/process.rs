//! A program that runs as long as its owner, and what it prints.

use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running program, killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    lines: mpsc::UnboundedReceiver<Line>,
}

enum Line {
    Output(String),
    Error(String),
}

impl Process {
    /// Starts it.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let name = command.as_std().get_program();
        let name = name.to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("cannot start {name}: {error} (`cargo xtask setup` installs it)")
            });
        let (sender, lines) = mpsc::unbounded_channel();
        let output = child.stdout.take().expect("piped");
        let errors = child.stderr.take().expect("piped");
        pass_on(output, sender.clone(), Line::Output);
        pass_on(errors, sender, Line::Error);
        Self { name, child, lines }
    }

    /// What follows `marker` in the first line of its output that holds it.
    ///
    /// # Panics
    /// When the program ends first, or prints no such line for a minute.
    pub async fn after(&mut self, marker: &str) -> String {
        let found = self.find(marker).await;
        found.unwrap_or_else(|seen| panic!("{} printed no {marker:?}, but {seen:#?}", self.name))
    }

    /// As [`after`](Self::after); or all that the program printed before it ended.
    ///
    /// # Panics
    /// When it neither ends nor prints such a line for a minute.
    pub(crate) async fn find(&mut self, marker: &str) -> Result<String, Vec<String>> {
        let mut seen = Vec::new();
        let search = async {
            while let Some(line) = self.lines.recv().await {
                match line {
                    Line::Error(line) => seen.push(line),
                    Line::Output(line) => match line.split_once(marker) {
                        Some((_, rest)) => return Some(rest.to_owned()),
                        None => seen.push(line),
                    },
                }
            }
            None
        };
        match timeout(PATIENCE, search).await {
            Ok(found) => found.ok_or(seen),
            Err(_) => panic!("{} printed no {marker:?}, but {seen:#?}", self.name),
        }
    }

    /// Asks it to end, waits until it has, and gives its exit code and what else it printed.
    ///
    /// # Panics
    /// When it does not end within a minute.
    pub async fn terminate(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{} does not end", self.name));
        let code = ended.ok().and_then(|status| status.code());
        (code, self.last_words().await)
    }

    /// What it has printed and nobody has asked for yet.
    pub(crate) fn printed(&mut self) -> Vec<String> {
        let mut printed = Vec::new();
        while let Ok(Line::Output(line) | Line::Error(line)) = self.lines.try_recv() {
            printed.push(line);
        }
        printed
    }

    /// The most memory it ever had, in bytes; `None` where the system does not tell.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?
            .trim();
        let kibibytes: u64 = peak.strip_suffix(" kB")?.parse().ok()?;
        Some(kibibytes << 10)
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What is left of what it prints, once it has ended.
    pub(crate) async fn last_words(&mut self) -> String {
        let mut words = String::new();
        while let Some(Line::Output(line) | Line::Error(line)) = self.lines.recv().await {
            words.push_str(&line);
            words.push('\n');
        }
        words
    }

    /// Kills it if it runs; returns once it is gone.
    pub(crate) async fn kill(&mut self) {
        if self.has_ended() {
            return;
        }
        let killed = self.child.kill().await;
        killed.unwrap_or_else(|error| panic!("cannot kill {}: {error}", self.name));
    }

    /// # Panics
    /// When it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        let sent = kill_process(self.id(), signal);
        sent.unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
    }

    /// Waits for what the kernel takes to stop each of its threads: no time that is worth an await.
    pub(crate) fn wait_until_stopped(&self) {
        let threads = format!("/proc/{}/task", self.id().as_raw_nonzero());
        let deadline = Instant::now() + PATIENCE;
        while !are_stopped(&threads) {
            assert!(Instant::now() < deadline, "{} does not stop", self.name);
            thread::sleep(Duration::from_micros(100));
        }
    }

    fn id(&self) -> Pid {
        let id = self.child.id().and_then(|id| id.try_into().ok());
        let id = id.and_then(Pid::from_raw);
        id.unwrap_or_else(|| panic!("{} has ended", self.name))
    }
}

fn are_stopped(threads: &str) -> bool {
    let threads = fs::read_dir(threads).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok())
        // ID (NAME) STATE …
        .all(|stat| {
            stat.rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('T'))
        })
}

/// Reads to the end, wanted or not: a program that prints into a full pipe hangs.
fn pass_on(
    from: impl AsyncRead + Unpin + Send + 'static,
    to: mpsc::UnboundedSender<Line>,
    line: fn(String) -> Line,
) {
    tokio::spawn(async move {
        let mut from = BufReader::new(from).lines();
        while let Ok(Some(text)) = from.next_line().await {
            let _ = to.send(line(text));
        }
    });
}
