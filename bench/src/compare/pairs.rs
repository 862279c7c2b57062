//! Runs in turn: reference, server, reference, server, …, reference.

use std::{env, process::Command};

use serde_json::Value;

use super::{
    Task,
    mode::{Load, Mode, Reference},
};
use crate::{
    BoxError,
    cell::{self, Run},
    cli::CompareOpts,
    place::Place,
    server::Server,
    transport::Transport,
};

/// All runs of a task; there is one more of the reference.
pub(super) struct Runs {
    pub(super) subject: Vec<Run>,
    pub(super) reference: Vec<Run>,
}

pub(super) struct Pairs<'a> {
    opts: &'a CompareOpts,
    place: &'a Place,
    seconds: String,
}

/// A server, and how it is loaded.
struct Side<'a> {
    pairs: &'a Pairs<'a>,
    task: &'a Task,
    /// Whether it is the bare loop.
    limit: Option<&'static [&'static str]>,
    loads: Vec<&'static [&'static str]>,
    server: Option<Server>,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(opts: &'a CompareOpts, place: &'a Place) -> Result<Self, BoxError> {
        if opts.server_core == opts.load_core {
            return Err("the servers and the load program each need a core".into());
        }
        let seconds = opts.seconds.unwrap_or(if opts.quick { 0.3 } else { 1.0 });
        Ok(Self {
            opts,
            place,
            seconds: seconds.to_string(),
        })
    }

    pub(super) fn run(&self, task: &Task) -> Result<Runs, BoxError> {
        let usual = if self.opts.quick { 1 } else { task.mode.pairs };
        let count = self.opts.pairs.unwrap_or(usual);
        let mut subject = Side::subject(self, task);
        let mut reference = Side::reference(self, task);
        if let (Some(seconds), false) = (task.peer.warm_up, task.mode.fresh) {
            subject.warm_up(seconds)?;
        }
        let mut runs = Runs {
            subject: Vec::new(),
            reference: vec![reference.run()?],
        };
        for pair in 1..=count {
            runs.subject.push(subject.run()?);
            runs.reference.push(reference.run()?);
            let ratio = runs.ratios(task.mode).last().copied();
            eprintln!("  {pair}/{count}: {:.2}", ratio.unwrap_or(f64::NAN));
        }
        Ok(runs)
    }
}

impl Runs {
    /// Each server run over the mean of the reference's before and after it.
    pub(super) fn ratios(&self, mode: &Mode) -> Vec<f64> {
        cell::ratios(&self.subject, &self.reference, mode.metric)
    }
}

impl<'a> Side<'a> {
    fn subject(pairs: &'a Pairs<'a>, task: &'a Task) -> Self {
        Self::new(pairs, task, None, task.mode.arguments)
    }

    fn reference(pairs: &'a Pairs<'a>, task: &'a Task) -> Self {
        match task.mode.reference {
            Reference::Limit(options) => Self::new(pairs, task, Some(options), task.mode.arguments),
            Reference::Itself(arguments) => Self::new(pairs, task, None, arguments),
        }
    }

    fn new(
        pairs: &'a Pairs<'a>,
        task: &'a Task,
        limit: Option<&'static [&'static str]>,
        arguments: &'static [&'static str],
    ) -> Self {
        let mut loads = vec![arguments];
        loads.extend(task.mode.less);
        Self {
            pairs,
            task,
            limit,
            loads,
            server: None,
        }
    }

    fn run(&mut self) -> Result<Run, BoxError> {
        let server = self.take_server()?;
        let run = self
            .loads
            .iter()
            .map(|arguments| self.load(&server, arguments, &self.pairs.seconds))
            .collect();
        if !self.task.mode.fresh {
            self.server = Some(server);
        }
        run
    }

    fn warm_up(&mut self, seconds: &str) -> Result<(), BoxError> {
        let server = self.take_server()?;
        self.load(&server, self.loads[0], seconds)?;
        self.server = Some(server);
        Ok(())
    }

    fn take_server(&mut self) -> Result<Server, BoxError> {
        if let Some(server) = self.server.take() {
            return Ok(server);
        }
        let core = self.pairs.opts.server_core;
        match self.limit {
            None => Server::start_peer(self.task.peer, self.pairs.place, core),
            Some(options) => {
                let transport = self.task.transport.unwrap_or(Transport::Ws);
                Server::start_limit(transport, options, self.pairs.place, core)
            }
        }
    }

    /// Runs the load program once.
    fn load(&self, server: &Server, arguments: &[&str], seconds: &str) -> Result<Value, BoxError> {
        let load = self.task.mode.load;
        let mut command = Command::new(env::current_exe()?);
        command.args(["load", load.command()]);
        command.args(["--server-pid", &server.pid().to_string()]);
        command.args(["--core", &self.pairs.opts.load_core.to_string()]);
        let name = self.limit.map_or(self.task.peer.name, |_| "limit");
        command.args(["--name", name]);
        self.address(&mut command, server);
        command.args(arguments);
        if matches!(load, Load::Fanout | Load::Echo) && !arguments.contains(&"--seconds") {
            command.args(["--seconds", seconds]);
        }
        cell::report(command).map_err(|error| format!("{name}: {error}").into())
    }

    /// Says where and how.
    fn address(&self, command: &mut Command, server: &Server) {
        let peer = self.task.peer;
        let load = self.task.mode.load;
        let Some(transport) = self.task.transport else {
            let path = self.limit.map_or(peer.echo, |_| Some("/echo"));
            command.args(["--url", &server.url(path.unwrap_or_default())]);
            return;
        };
        command.args(["--transport", transport.name()]);
        let publishes = matches!(load, Load::Fanout | Load::Recover);
        if self.limit.is_some() {
            let url = server.url("/live/{channel}");
            command.args(["--url", &url]);
            if publishes {
                command.args(["--publish-url", &url]);
            }
            return;
        }
        let Some(route) = peer.route(transport) else {
            return;
        };
        for word in peer.client {
            command.arg(self.pairs.place.fill(word, 0));
        }
        let mut url = server.url(route.path);
        if load == Load::Recover {
            url.push_str(peer.recover.unwrap_or_default());
        }
        command.args(["--url", &url]);
        for header in route.headers {
            command.args(["--header", header]);
        }
        if let Some(hello) = route.hello {
            command.args(["--hello", hello]);
        }
        if publishes {
            command.args(["--publish-url", &server.url(peer.publish.path)]);
        }
        if load == Load::Fanout {
            command.args(["--publish-body", peer.publish.body]);
            for header in peer.publish.headers {
                command.args(["--publish-header", header]);
            }
        }
    }
}
