//! How long something takes, as it is typed: `250ms`, `30s`, `5m`, `2h`, `1d`, or seconds alone.

use std::time::Duration;

/// What is longer is a mistake, and more than clocks can add.
const MOST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

const EXPECTED: &str = "expected a time such as 250ms, 30s, 5m, 2h or 1d";

/// Reads it.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(EXPECTED),
    };
    let number: u64 = number.parse().map_err(|_| EXPECTED)?;
    let time = number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .filter(|time| *time <= MOST);
    time.ok_or("expected 10 years at most")
}

/// As [`parse`], for what cannot be done without a pause.
pub(crate) fn parse_period(text: &str) -> Result<Duration, &'static str> {
    match parse(text)? {
        Duration::ZERO => Err("expected more than 0"),
        period => Ok(period),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit_are_a_time() {
        for (text, seconds) in [
            ("0", 0.0),
            ("90", 90.0),
            ("250ms", 0.25),
            ("30s", 30.0),
            ("5m", 300.0),
            ("2h", 7_200.0),
            ("1d", 86_400.0),
        ] {
            assert_eq!(parse(text).map(|time| time.as_secs_f64()), Ok(seconds));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "s",
            "-1s",
            "1.5s",
            "5 m",
            "5M",
            "5min",
            "é",
            "4000d",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_period("0s").is_err());
    }
}
