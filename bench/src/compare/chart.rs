//! The figures as a picture: a panel of bars for each of the three that decide.

use super::{
    mode::{Load, Mode},
    mode_list::MODES,
    peer_list::PEERS,
};
use crate::{
    cell::{Cell, Cells},
    markdown::number,
};

const WIDTH: f64 = 860.0;
const LABELS: f64 = 250.0;
const BARS: f64 = 470.0;
const ROW: f64 = 18.0;
const TITLE: f64 = 44.0;

struct Panel {
    mode: &'static str,
    title: &'static str,
    scale: Scale,
}

enum Scale {
    /// As long as the value, up to this one.
    LinearTo(f64),
    Logarithmic,
}

const PANELS: [Panel; 3] = [
    Panel {
        mode: "closed",
        title: "CPU per delivery, × a bare loop (1,000 subscribers, closed loop; bars end at 3)",
        scale: Scale::LinearTo(3.0),
    },
    Panel {
        mode: "burst50",
        title: "CPU per delivery in bursts of 50, × a bare loop (logarithmic)",
        scale: Scale::Logarithmic,
    },
    Panel {
        mode: "idle",
        title: "Bytes per idle connection, of 10,000 (logarithmic)",
        scale: Scale::Logarithmic,
    },
];

/// Colours that are read on white and on black.
const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#1f2328}\
.title{font-weight:600;font-size:14px}\
.bar{fill:#8c959f}.ours{fill:#0969da}.one{stroke:#cf222e;stroke-dasharray:3 3}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bar{fill:#6e7681}.ours{fill:#58a6ff}}";

/// The whole picture.
pub(super) fn render(cells: &Cells) -> String {
    let mut body = String::new();
    let mut y = 0.0;
    for panel in &PANELS {
        y += draw(panel, cells, y, &mut body);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" width=\"{WIDTH}\" \
         height=\"{y}\" role=\"img\"><title>encke and others: CPU per delivery, bytes per \
         connection</title><style>{STYLE}</style>\n{body}</svg>\n"
    )
}

/// Draws a panel at `y`; returns how high it is.
fn draw(panel: &Panel, cells: &Cells, y: f64, into: &mut String) -> f64 {
    let Some(mode) = MODES.iter().find(|mode| mode.name == panel.mode) else {
        return 0.0;
    };
    let bars = bars(mode, cells);
    let Some(most) = bars.iter().map(|bar| bar.value).reduce(f64::max) else {
        return 0.0;
    };
    let length = |value: f64| {
        let share = match panel.scale {
            Scale::LinearTo(end) => value / end,
            // A bar of 1 is to be seen.
            Scale::Logarithmic => (value.max(1.0) * 2.0).ln() / (most.max(1.0) * 2.0).ln(),
        };
        share.clamp(0.0, 1.0) * BARS
    };
    let title = y + 26.0;
    into.push_str(&format!(
        "<text class=\"title\" x=\"8\" y=\"{title}\">{}</text>\n",
        panel.title
    ));
    let top = y + TITLE;
    for (row, bar) in bars.iter().enumerate() {
        let y = top + row as f64 * ROW;
        let class = if bar.ours { "bar ours" } else { "bar" };
        let length = length(bar.value);
        into.push_str(&format!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect class=\"{class}\" x=\"{LABELS}\" y=\"{}\" width=\"{length:.1}\" height=\"12\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text>\n",
            LABELS - 8.0,
            y + 11.0,
            bar.label,
            y + 1.0,
            LABELS + length + 6.0,
            y + 11.0,
            number(bar.value),
        ));
    }
    let height = bars.len() as f64 * ROW;
    if mode.load == Load::Fanout {
        let one = LABELS + length(1.0);
        into.push_str(&format!(
            "<line class=\"one\" x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"{top}\" y2=\"{}\"/>\n",
            top + height
        ));
    }
    TITLE + height + 8.0
}

struct Bar {
    label: String,
    value: f64,
    ours: bool,
}

/// Shortest first.
fn bars(mode: &Mode, cells: &Cells) -> Vec<Bar> {
    let of_mode = cells.all().iter().filter(|cell| cell.mode == mode.name);
    let mut bars: Vec<Bar> = of_mode.filter_map(|cell| bar(mode, cell)).collect();
    bars.retain(|bar| bar.value.is_finite());
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    bars
}

fn bar(mode: &Mode, cell: &Cell) -> Option<Bar> {
    let peer = PEERS.iter().find(|peer| peer.name == cell.peer)?;
    // The program stands for encke; the table has the other ways to serve it.
    if peer.name.starts_with("encke") && !peer.ours {
        return None;
    }
    let title = peer.title.replace('`', "");
    Some(Bar {
        label: format!("{title} · {}", cell.transport),
        value: match mode.load {
            Load::Idle => cell.value(mode.metric).median,
            _ => cell.ratio(mode.metric).median,
        },
        ours: peer.ours,
    })
}
