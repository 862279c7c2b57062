//! Where things are: the sources, what was built of them, and what the comparison writes.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use crate::BoxError;

pub(crate) struct Place {
    target: PathBuf,
    out: PathBuf,
    quick: bool,
}

impl Place {
    pub(crate) fn new(quick: bool) -> Result<Self, BoxError> {
        let program = env::current_exe()?;
        let target = program.ancestors().nth(2);
        let target = target.ok_or("not in cargo's target folder")?.to_owned();
        let out = target.join("bench");
        let place = Self { target, out, quick };
        fs::create_dir_all(place.out.join("logs"))?;
        Ok(place)
    }

    /// The root of the repository.
    pub(crate) fn root() -> &'static Path {
        let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
        bench.parent().expect("bench is a folder of the repository")
    }

    /// What the comparison writes; hasty figures apart from the others.
    pub(crate) fn out(&self, name: &str) -> PathBuf {
        if self.quick {
            self.out.join("quick").join(name)
        } else {
            self.out.join(name)
        }
    }

    /// What a server says goes here.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.out.join("logs").join(format!("{name}.log"))
    }

    /// Where the table and the chart go: hasty ones are not for readers.
    pub(crate) fn docs(&self) -> PathBuf {
        if self.quick {
            self.out("")
        } else {
            Self::root().join("docs")
        }
    }

    /// Replaces `{bench}` (the sources), `{target}`, `{out}` (what peers are built to) and `{port}`.
    pub(crate) fn fill(&self, text: &str, port: u16) -> String {
        text.replace("{bench}", env!("CARGO_MANIFEST_DIR"))
            .replace("{target}", &self.target.display().to_string())
            .replace("{out}", &self.out.display().to_string())
            .replace("{port}", &port.to_string())
    }
}
