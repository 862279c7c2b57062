//! The engine's clock, as far as its answers tell it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// A moment of the engine's clock, in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct EngineTime(pub(super) i64);

impl EngineTime {
    /// Reads `2026-11-26T03:50:53.206661932Z`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let mut date = date.splitn(3, '-');
        let year: i64 = date.next()?.parse().ok()?;
        let month: i64 = date.next()?.parse().ok()?;
        let day: i64 = date.next()?.parse().ok()?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let mut time = time.splitn(3, ':');
        let hour: i64 = time.next()?.parse().ok()?;
        let minute: i64 = time.next()?.parse().ok()?;
        let second: i64 = time.next()?.parse().ok()?;
        let is_possible = (1970..2262).contains(&year)
            && (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..=60).contains(&second)
            && (1..=9).contains(&fraction.len())
            && fraction.bytes().all(|byte| byte.is_ascii_digit());
        if !is_possible {
            return None;
        }
        let nanos = format!("{fraction:0<9}").parse::<i64>().ok()?;
        let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
        Some(Self(seconds * 1_000_000_000 + nanos))
    }

    /// How long before `later` it was; nothing where it was not.
    pub(super) fn age(self, later: Self) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0).try_into().unwrap_or(0))
    }
}

/// What the engine's clock says, by what it said last.
#[derive(Debug, Default)]
pub(super) struct Clock {
    heard: Mutex<Option<(EngineTime, Instant)>>,
}

impl Clock {
    /// The engine says it is `time`.
    pub(super) fn hear(&self, time: EngineTime) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some((time, Instant::now()));
    }

    /// This node's own clock, as long as the engine has not told its.
    pub(super) fn now(&self) -> EngineTime {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        match heard {
            Some((time, at)) => EngineTime(time.0.saturating_add(nanos(at.elapsed()))),
            None => EngineTime(nanos(
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default(),
            )),
        }
    }
}

/// Days from 1970 on to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at their end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_engine_are_read() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:00:00.5Z", 951_825_600_500_000_000),
            ("2026-11-26T03:50:53.206661932Z", 1_795_665_053_206_661_932),
        ] {
            assert_eq!(EngineTime::parse(text), Some(EngineTime(nanos)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2026-11-26",
            "2026-11-26T03:50:53",
            "2026-13-26T03:50:53Z",
            "2026-11-26T03:50Z",
            "2026-11-26T03:50:53.Z",
            "2026-11-26T03:50:53.1234567890Z",
            "2026-11-26T03:50:53.+1Z",
            "9999999999999-11-26T03:50:53Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(EngineTime::parse(text), None, "{text}");
        }
    }
}
