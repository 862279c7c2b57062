//! The figures as Markdown, one section of a document.

use super::{
    Broker,
    mode::{Load, MODES, Mode},
    row::{Row, spread},
};
use crate::{
    cell::{Cell, Cells},
    markdown::{line, number},
};

const HEADER: &str = "\
## What a broker costs

Two nodes over an engine: one is published to, and everyone listens at the other. Beside them one node
with its channels in memory, which does both. Nodes and engine share one core, the load program has
another; so rates are what one core gives for all of it, and CPU what each process had of it. Medians,
with the least and the most of all pairs in parentheses, of two nodes and one run in turn. Every
publication was JSON of 128 bytes, and every delivery checked: nothing was lost, doubled or out of order.
Redis kept nothing on disk; NATS keeps its streams in files.

```sh
cargo xtask bench brokers
```
";

/// Of a check.
const CHANNELS: f64 = 10_000.0;

/// Whose operations are counted: many publish, to many channels.
const COUNTED: &str = "publish8x64";

/// The whole section.
pub(super) fn render(cells: &Cells) -> String {
    let mut text = HEADER.to_owned();
    text.push_str(&measured_on(cells));
    for (load, table) in [
        (Load::Publish, published as fn(&Cells, &[&Mode]) -> String),
        (Load::Deliver, delivered),
        (Load::Check, checked),
    ] {
        let modes = MODES.iter().filter(|mode| mode.load == load);
        let modes: Vec<&Mode> = modes
            .filter(|mode| of_mode(cells, mode).next().is_some())
            .collect();
        if !modes.is_empty() {
            text.push_str(&table(cells, &modes));
        }
    }
    text
}

fn measured_on(cells: &Cells) -> String {
    let all = |field: fn(&Cell) -> &str| {
        let mut values: Vec<&str> = cells.all().iter().map(field).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let dates = all(|cell| &cell.date);
    let (Some(first), Some(last)) = (dates.first(), dates.last()) else {
        return "\nNothing has been measured yet.\n".to_owned();
    };
    let when = match first == last {
        true => (*first).to_owned(),
        false => format!("{first} to {last}"),
    };
    let pairs = cells.all().iter().map(|cell| cell.subject.len()).min();
    let others = cells.all().iter().map(Cell::others).fold(0.0, f64::max);
    format!(
        "\nMeasured {when} on {}. {}. At least {} pairs each; other programs had at most {:.0} % of the \
         machine.\n",
        all(|cell| &cell.host).join("; "),
        all(|cell| &cell.version).join("; "),
        pairs.unwrap_or(0),
        others * 100.0
    )
}

fn published(cells: &Cells, modes: &[&Mode]) -> String {
    let mut text = "\n### Publishing\n\n\
        Each publisher POSTs to the one node when it has the answer to its last, and each channel has a \
        subscriber at the other. Latency is from the POST to the delivery; CPU is in µs a publication, \
        its delivery included.\n\n"
        .to_owned();
    text.push_str(&heading(&[
        "",
        "broker",
        "publications/s",
        "latency p50, ms",
        "p99, ms",
        "answer p50, ms",
        "CPU: published to",
        "listened to",
        "engine",
        "all, × memory",
    ]));
    for mode in modes {
        text.push_str(&rows(cells, mode, |row| {
            vec![
                spread(&row.value("publications_per_second")),
                number(row.value("p50_ms").median),
                number(row.value("p99_ms").median),
                number(row.value("answer_p50_ms").median),
                row.beyond_memory("cpu_publishing_node"),
                number(row.value("cpu_node").median),
                row.beyond_memory("cpu_engine"),
                row.ratio("cpu_all"),
            ]
        }));
    }
    text.push_str(&operations(cells));
    text
}

fn delivered(cells: &Cells, modes: &[&Mode]) -> String {
    let mut text = "\n### Delivering to 1,000 subscribers\n\n\
        The next publication, or the next 50 at once, go out when everyone has the last. CPU is in \
        seconds a million deliveries.\n\n"
        .to_owned();
    text.push_str(&heading(&[
        "",
        "broker",
        "deliveries/s",
        "p99, ms",
        "CPU: listened to",
        "× memory",
        "published to",
        "engine",
        "all, × memory",
    ]));
    for mode in modes {
        text.push_str(&rows(cells, mode, |row| {
            vec![
                spread(&row.value("deliveries_per_second")),
                number(row.value("p99_ms").median),
                number(row.value("cpu_node").median),
                row.ratio("cpu_node"),
                row.beyond_memory("cpu_publishing_node"),
                row.beyond_memory("cpu_engine"),
                row.ratio("cpu_all"),
            ]
        }));
    }
    text
}

fn checked(cells: &Cells, modes: &[&Mode]) -> String {
    let mut text = "\n### Channels on which nothing is said\n\n\
        10,000 channels with a subscriber each, at one node: what it asks in every check period, and \
        tells of its listeners. CPU is in ms a period of 10 s; the memory's row is what 10,000 sessions \
        cost that are asked nothing.\n\n"
        .to_owned();
    text.push_str(&heading(&[
        "",
        "broker",
        "CPU: node",
        "engine",
        "the engine, for each channel",
    ]));
    for mode in modes {
        text.push_str(&rows(cells, mode, |row| {
            vec![
                spread(&row.value("cpu_node")),
                row.beyond_memory("cpu_engine"),
                row.operations("check_periods", CHANNELS),
            ]
        }));
    }
    text
}

/// What the engine does for one publication.
fn operations(cells: &Cells) -> String {
    let Some(mode) = MODES.iter().find(|mode| mode.name == COUNTED) else {
        return String::new();
    };
    let mut text = format!(
        "\nWhat the engine counts for one publication, of {}. For Redis these are calls, those within \
         scripts included, and the time of a script; for NATS messages of clients and requests to \
         JetStream's API.\n\n",
        mode.title
    );
    text.push_str(&heading(&["broker", "for one publication"]));
    for cell in of_mode(cells, mode) {
        let operations = Row::Shared(cell).operations("published", 1.0);
        text.push_str(&line(&[title(cell), operations]));
    }
    text
}

/// A row for one node alone, and one for each broker.
fn rows(cells: &Cells, mode: &Mode, columns: impl Fn(&Row<'_>) -> Vec<String>) -> String {
    let cells: Vec<&Cell> = of_mode(cells, mode).collect();
    let alone = Row::Alone(&cells);
    let shared = cells.iter().map(|cell| (title(cell), Row::Shared(cell)));
    let all = std::iter::once((Broker::Memory.title().to_owned(), alone)).chain(shared);
    let rows = all.map(|(title, row)| {
        let mut told = vec![mode.title.to_owned(), title];
        told.extend(columns(&row));
        line(&told)
    });
    rows.collect()
}

/// In the order of the brokers.
fn of_mode<'a>(cells: &'a Cells, mode: &'a Mode) -> impl Iterator<Item = &'a Cell> {
    Broker::shared()
        .filter_map(move |broker| cells.get(broker.name(), mode.transport.name(), mode.name))
}

fn title(cell: &Cell) -> String {
    let broker = Broker::shared().find(|broker| broker.name() == cell.peer);
    broker.map_or_else(|| cell.peer.clone(), |broker| broker.title().to_owned())
}

fn heading(columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    line(&columns) + &line(&vec!["---".to_owned(); columns.len()])
}
