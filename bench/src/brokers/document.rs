//! The figures within a document that others write: between two marks, and nothing else of it.

use std::{fs, io::ErrorKind, path::Path};

use crate::BoxError;

const BEGIN: &str = "<!-- figures: `cargo xtask bench brokers` writes what follows -->\n";
const END: &str = "<!-- end of figures -->\n";

/// Without the document, or without the marks in it.
const TITLE: &str = "# Brokers: the same channels on many nodes\n";

/// Puts the section into the document, which may not be there yet.
pub(super) fn write(path: &Path, section: &str) -> Result<(), BoxError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => TITLE.to_owned(),
        text => text?,
    };
    fs::write(path, with_section(&text, section))?;
    Ok(())
}

fn with_section(text: &str, section: &str) -> String {
    let (before, after) = match text.split_once(BEGIN) {
        Some((before, rest)) => (
            before.to_owned(),
            rest.split_once(END).map_or("", |(_, after)| after),
        ),
        None => (format!("{}\n\n", text.trim_end()), ""),
    };
    format!("{before}{BEGIN}\n{section}\n{END}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_the_one_before_and_nothing_else() {
        let first = with_section("# Title\n\ntext\n", "one\n");
        assert!(first.starts_with("# Title\n\ntext\n\n<!--"), "{first}");
        let longer = format!("{first}\n## More\n");
        let second = with_section(&longer, "two\n");
        assert_eq!(second, longer.replace("one", "two"));
    }
}
