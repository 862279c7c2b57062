//! Rows of tables, and numbers that are short and readable.

/// A row of a table.
pub(crate) fn line(columns: &[String]) -> String {
    format!("| {} |\n", columns.join(" | "))
}

/// Three digits, and thousands apart.
pub(crate) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        format!("−{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        assert_eq!(number(0.0831), "0.08");
        assert_eq!(number(72.04), "72.0");
        assert_eq!(number(136_874.6), "136,875");
        assert_eq!(number(-1234.0), "−1,234");
        assert_eq!(number(f64::NAN), "–");
    }
}
