//! What a row of a table tells: of one node alone, or of two over a broker.

use std::collections::BTreeMap;

use crate::{
    cell::{Cell, Spread},
    markdown::number,
};

/// What is counted less often than that, of what was done, belongs to something else.
const OFTEN: f64 = 0.01;

pub(super) enum Row<'a> {
    /// Of one node, the reference of all these.
    Alone(&'a [&'a Cell]),
    /// Of two over a broker.
    Shared(&'a Cell),
}

impl Row<'_> {
    pub(super) fn value(&self, field: &str) -> Spread {
        match self {
            Self::Shared(cell) => cell.value(field),
            Self::Alone(cells) => {
                let runs = cells.iter().flat_map(|cell| &cell.reference);
                Spread::of_field(runs, field)
            }
        }
    }

    /// Of what one node alone has not.
    pub(super) fn beyond_memory(&self, field: &str) -> String {
        match self {
            Self::Alone(_) => "–".to_owned(),
            Self::Shared(cell) => number(cell.value(field).median),
        }
    }

    pub(super) fn ratio(&self, field: &str) -> String {
        let Self::Shared(cell) = self else {
            return "1".to_owned();
        };
        let Spread {
            median,
            least,
            most,
        } = cell.ratio(field);
        format!("**{median:.2}** ({least:.2}–{most:.2})")
    }

    /// What the engine counted for each of these, of which there were that many at once.
    pub(super) fn operations(&self, field: &str, at_once: f64) -> String {
        let Self::Shared(cell) = self else {
            return "–".to_owned();
        };
        let mut counted: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for run in cell.subject.iter().flatten() {
            let done = run[field].as_f64().unwrap_or(f64::NAN) * at_once;
            for (name, count) in run["operations"].as_object().into_iter().flatten() {
                let count = count.as_f64().unwrap_or(f64::NAN);
                counted.entry(name).or_default().push(count / done);
            }
        }
        let counted = counted
            .into_iter()
            .map(|(name, counts)| (name, Spread::of(counts).median));
        let mut often: Vec<_> = counted.filter(|(_, count)| *count >= OFTEN).collect();
        often.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        let often = often
            .iter()
            .map(|(name, count)| format!("{} {name}", number(*count)));
        often.collect::<Vec<_>>().join(", ")
    }
}

/// A median with the least and the most.
pub(super) fn spread(spread: &Spread) -> String {
    let Spread {
        median,
        least,
        most,
    } = spread;
    format!(
        "**{}** ({}–{})",
        number(*median),
        number(*least),
        number(*most)
    )
}
