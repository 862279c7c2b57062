//! What the user types to compare brokers.

use std::path::PathBuf;

use clap::Args;

use crate::brokers::Broker;

#[derive(Args, Debug)]
pub(crate) struct BrokersOpts {
    /// One short pair of each: whether it works, and no figures for anyone else.
    #[arg(long)]
    pub(crate) quick: bool,

    /// What is measured, beside the memory of one node; every broker without it.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) brokers: Vec<Broker>,

    /// How they are loaded; in every way without it.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) modes: Vec<String>,

    /// Pairs of two nodes over the broker and one alone; 9, or fewer where a run takes long.
    #[arg(long, value_name = "N")]
    pub(crate) pairs: Option<usize>,

    /// How long a run measures, in seconds.
    #[arg(long, value_name = "S")]
    pub(crate) seconds: Option<f64>,

    /// The core of nodes and engines.
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    pub(crate) server_core: usize,

    #[arg(long, value_name = "CORE", default_value_t = 1)]
    pub(crate) load_core: usize,

    /// The program that is measured; built without it.
    #[arg(long, value_name = "FILE")]
    pub(crate) program: Option<PathBuf>,

    /// Measure nothing, and write the tables of what was measured.
    #[arg(long)]
    pub(crate) render: bool,

    /// Where brokers.md is; `docs`, or cargo's target folder with --quick.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) docs: Option<PathBuf>,
}
