//! Every cell of the table of guarantees names a test, and every test that it names is there.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

const BROKERS: &str = include_str!("../../docs/brokers.md");

/// The letters of a cell: `what it says [a, b]; more [c]`.
fn letters(cell: &str) -> Vec<&str> {
    let marks = cell.split('[').skip(1);
    let marks = marks.filter_map(|mark| Some(mark.split_once(']')?.0));
    marks.flat_map(|mark| mark.split(", ")).collect()
}

/// The file and the function behind each letter.
fn tests() -> HashMap<&'static str, (&'static str, &'static str)> {
    let lines = BROKERS.lines().filter_map(|line| line.strip_prefix("- ["));
    let tests = lines.filter_map(|line| {
        let (letter, rest) = line.split_once("] `")?;
        let (file, rest) = rest.split_once("`: `")?;
        let (function, _) = rest.split_once('`')?;
        Some((letter, (file, function)))
    });
    tests.collect()
}

#[test]
fn every_cell_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tests = tests();
    for (letter, (file, function)) in &tests {
        let code = fs::read_to_string(root.join(file)).expect("the file of a test");
        let named = format!("fn {function}(");
        assert!(code.contains(&named), "[{letter}] {file}: {function}");
    }
    let (_, tables) = BROKERS.split_once("## Guarantees").expect("the chapter");
    let (tables, _) = tables.split_once("### The tests").expect("its end");
    let rows = tables.lines().filter(|line| line.starts_with("| "));
    let rows: Vec<_> = rows.filter(|line| !line.starts_with("| breaks")).collect();
    assert!(rows.len() > 25, "{rows:?}");
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").skip(1).collect();
        assert_eq!(cells.len(), 4, "{row}");
        for cell in cells {
            let letters = letters(cell);
            assert!(!letters.is_empty(), "{cell:?} names no test, in {row}");
            for letter in letters {
                assert!(tests.contains_key(letter), "[{letter}] of {row}");
            }
        }
    }
}
