//! Another time than ours, for a program that is told so before it starts.

use std::fs;
use std::path::PathBuf;
use std::process::Command as Compiler;

use tokio::process::Command;

use crate::scratch::Scratch;

/// What the loader puts before the program's libraries.
const SOURCE: &str = include_str!("clock.c");

/// A clock that jumps when it is told to. It has to live as long as the programs that go by it.
pub struct Clock {
    folder: Scratch,
}

impl Clock {
    /// One that is right.
    ///
    /// # Panics
    /// Where there is no C compiler.
    #[must_use]
    pub fn new() -> Self {
        let clock = Self {
            folder: Scratch::new(),
        };
        clock.set(0);
        let source = clock.path("clock.c");
        fs::write(&source, SOURCE).expect("a file can be written");
        let compiled = Compiler::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([clock.shim(), source])
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "cc compiles");
        clock
    }

    /// Puts it so many seconds before ours, from now on; behind, where that is less than none.
    pub fn set(&self, seconds: i64) {
        // In one step, as it may be read at any time.
        let next = self.path("next");
        fs::write(&next, format!("{seconds:+}")).expect("a file can be written");
        fs::rename(next, self.path("clock")).expect("a file can be moved");
    }

    /// Has the program go by this clock.
    pub fn rule(&self, program: &mut Command) {
        program
            .env("LD_PRELOAD", self.shim())
            .env("CLOCK_FILE", self.path("clock"));
    }

    fn shim(&self) -> PathBuf {
        self.path("clock.so")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
