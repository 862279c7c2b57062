//! `encke sub` as it runs, and `encke pub` for it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Output, Stdio},
};

use serde_json::Value;

use crate::support::{Server, encke, run};

/// A running `encke sub`, ended with the test.
pub(crate) struct Listener {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

impl Listener {
    pub(crate) fn start(server: &Server, args: &[&str]) -> Self {
        Self::at(&server.url(), args)
    }

    pub(crate) fn at(url: &str, args: &[&str]) -> Self {
        let mut child = encke(&["sub", "--url", url])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Self { child, output }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("output is text");
        assert!(line.ends_with('\n'), "the output ended: {line:?}");
        line
    }

    /// Reads raw bytes until the text has arrived.
    pub(crate) fn until(&mut self, text: &str) {
        let mut seen = String::new();
        while !seen.contains(text) {
            let bytes = self.output.fill_buf().expect("standard output is readable");
            assert!(!bytes.is_empty(), "the output ended: {seen:?}");
            seen += &String::from_utf8_lossy(bytes);
            let count = bytes.len();
            self.output.consume(count);
        }
    }

    pub(crate) fn item(&mut self) -> Value {
        serde_json::from_str(&self.line()).expect("an item is JSON")
    }
}

impl Listener {
    /// What it printed since, once it has ended, and how it did.
    pub(crate) fn end(&mut self) -> Output {
        let mut stdout = Vec::new();
        let mut stderr = Vec::new();
        let read = self.output.read_to_end(&mut stdout);
        read.expect("standard output is readable");
        let errors = self.child.stderr.as_mut().expect("it is piped");
        errors.read_to_end(&mut stderr).expect("it is readable");
        let status = self.child.wait().expect("the program ends");
        Output {
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Publishes, and gives the position.
pub(crate) fn publish(server: &Server, args: &[&str]) -> String {
    let output = run(&[&["pub", "--url", &server.url()], args].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout)
        .expect("a position is text")
        .trim_end()
        .to_owned()
}
