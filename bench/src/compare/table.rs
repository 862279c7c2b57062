//! The figures as Markdown.

use super::{
    mode::{Load, Mode, Reference, Table},
    mode_list::MODES,
    peer_list::PEERS,
};
use crate::{
    cell::{Cell, Cells, Spread},
    markdown::{line, number},
};

const TABLES: [Table; 7] = [
    Table::Fanout,
    Table::Crowds,
    Table::Idle,
    Table::Connect,
    Table::Echo,
    Table::Stalled,
    Table::Publish,
];

const TRANSPORTS: [&str; 5] = ["ws", "sse", "comet", "ndjson", ""];

const HEADER: &str = "\
# Benchmarks

![CPU per delivery and memory per connection, encke and others](benchmarks.svg)

What a server spends, as a multiple of a **bare loop** that writes the same messages, encoded once
with the least around them, one `send` for each delivery, and does nothing else; 1.00 is what cannot be
had for less. Medians, with the least and the most in parentheses, of pairs of server and loop run in
turn on one core. Less is better. Every delivery was checked: nothing was lost, doubled or out of order.
[bench/README.md](../bench/README.md) says what each number means and how to get your own:

```sh
cargo xtask bench
```
";

/// The whole document.
pub(super) fn render(cells: &Cells) -> String {
    let mut text = HEADER.to_owned();
    text.push_str(&measured_on(cells));
    for table in TABLES {
        let modes: Vec<&Mode> = MODES
            .iter()
            .filter(|mode| mode.table == table)
            .filter(|mode| cells.all().iter().any(|cell| cell.mode == mode.name))
            .collect();
        if !modes.is_empty() {
            text.push_str(&format!("\n## {}\n\n", table.title()));
            text.push_str(&rows(cells, table, &modes));
        }
    }
    text
}

impl Table {
    fn title(self) -> &'static str {
        match self {
            Self::Fanout => "1,000 subscribers, messages of 128 bytes",
            Self::Crowds => "More subscribers, more channels",
            Self::Idle => "Idle connections",
            Self::Connect => "Opening connections",
            Self::Echo => "WebSocket echo",
            Self::Stalled => "Clients that read nothing, 1 KiB 50 times a second",
            Self::Publish => "Publishing over HTTP",
        }
    }
}

fn measured_on(cells: &Cells) -> String {
    let dates = || cells.all().iter().map(|cell| cell.date.as_str());
    let (Some(first), Some(last)) = (dates().min(), dates().max()) else {
        return "\nNothing has been measured yet.\n".to_owned();
    };
    let when = if first == last {
        first.to_owned()
    } else {
        format!("{first} to {last}")
    };
    let mut hosts: Vec<&str> = cells.all().iter().map(|cell| cell.host.as_str()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let versions = PEERS.iter().filter_map(|peer| {
        let cell = cells
            .all()
            .iter()
            .rev()
            .find(|cell| cell.peer == peer.name)?;
        let name = peer.title.split(',').next().unwrap_or_default();
        Some(format!("{name} {}", cell.version))
    });
    let versions = versions.fold(Vec::new(), |mut all, version| {
        if !all.contains(&version) {
            all.push(version);
        }
        all
    });
    let pairs = cells.all().iter().map(|cell| cell.subject.len()).min();
    let others = cells.all().iter().map(Cell::others).fold(0.0, f64::max);
    format!(
        "\nMeasured {when} on {}. {}. At least {} pairs each; other programs had at most {:.0} % of the \
         machine.\n",
        hosts.join("; "),
        versions.join(", "),
        pairs.unwrap_or(0),
        others * 100.0
    )
}

fn rows(cells: &Cells, table: Table, modes: &[&Mode]) -> String {
    let mut headings = vec!["server".to_owned()];
    if table != Table::Echo {
        headings.push("transport".to_owned());
    }
    for mode in modes {
        headings.push(mode.title.to_owned());
        headings.extend(mode.shown.iter().map(|shown| shown.title.to_owned()));
    }
    let mut text = line(&headings);
    text.push_str(&line(&vec!["---".to_owned(); headings.len()]));
    for peer in PEERS {
        for transport in TRANSPORTS {
            let found = |mode: &&Mode| cells.get(peer.name, transport, mode.name);
            if !modes.iter().any(|mode| found(mode).is_some()) {
                continue;
            }
            let mut row = vec![peer.title.to_owned()];
            if table != Table::Echo {
                row.push(transport.to_owned());
            }
            for mode in modes {
                row.extend(columns(mode, found(mode)));
            }
            text.push_str(&line(&row));
        }
    }
    text.push_str(&bare_loop(cells, table, modes));
    text
}

fn columns(mode: &Mode, cell: Option<&Cell>) -> Vec<String> {
    let Some(cell) = cell else {
        return vec!["–".to_owned(); 1 + mode.shown.len()];
    };
    let mut columns = vec![if is_ratio(mode) {
        let Spread {
            median,
            least,
            most,
        } = cell.ratio(mode.metric);
        format!("**{median:.2}** ({least:.2}–{most:.2})")
    } else {
        format!("**{}**", number(cell.value(mode.metric).median))
    }];
    let shown = mode.shown.iter();
    columns.extend(shown.map(|shown| number(cell.value(shown.field).median)));
    columns
}

/// Memory and pings are of interest as they are.
fn is_ratio(mode: &Mode) -> bool {
    mode.load != Load::Idle
}

/// What the loop itself spent, as it is.
fn bare_loop(cells: &Cells, table: Table, modes: &[&Mode]) -> String {
    let mut row = vec!["*the bare loop, in CPU s per million*".to_owned()];
    if matches!(table, Table::Idle | Table::Connect | Table::Publish) {
        row[0] = "*the bare loop*".to_owned();
    }
    if table == Table::Crowds {
        row[0] = "*the bare loop, in CPU s per million, µs per publication*".to_owned();
    }
    if table != Table::Echo {
        row.push(String::new());
    }
    for mode in modes {
        if let Reference::Itself(_) = mode.reference {
            return String::new();
        }
        let of_mode = || cells.all().iter().filter(|cell| cell.mode == mode.name);
        let median = |field: &str| {
            let mut values: Vec<f64> = of_mode().map(|cell| cell.reference(field).median).collect();
            values.sort_by(f64::total_cmp);
            number(values[values.len() / 2])
        };
        row.push(median(mode.metric));
        row.extend(mode.shown.iter().map(|shown| median(shown.field)));
    }
    line(&row)
}
