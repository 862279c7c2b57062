//! What the program itself publishes: the clock and the chart of the demo page.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use encke::{Data, Hub};
use serde_json::json;

use crate::BoxError;

/// Publishes the time and a step of a random walk at the start of each second.
pub(crate) async fn feed(hub: Hub) -> Result<(), BoxError> {
    let clock = hub.channel("demo/clock")?;
    let chart = hub.channel("demo/chart")?;
    let mut walk = Walk::new(RandomState::new().hash_one(0));
    loop {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        clock.publish(time_of_day(now)).await?;
        chart
            .publish(Data::json(&json!({ "value": walk.step() }))?)
            .await?;
        tokio::time::sleep(
            Duration::from_secs(1) - Duration::from_nanos(now.subsec_nanos().into()),
        )
        .await;
    }
}

/// Hours, minutes and seconds in UTC.
fn time_of_day(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// A value between 0 and 100, in tenths, that wanders but is drawn back to the middle.
struct Walk {
    tenths: i32,
    seed: u64,
}

impl Walk {
    fn new(seed: u64) -> Self {
        Self {
            tenths: 500,
            seed: seed | 1,
        }
    }

    fn step(&mut self) -> f64 {
        // Marsaglia's xorshift: good enough to look at.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let step = (self.seed >> 32) as i32 % 41;
        let back = (500 - self.tenths) / 20;
        self.tenths = (self.tenths + step + back).clamp(0, 1000);
        f64::from(self.tenths) / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_day_has_two_digits_each() {
        assert_eq!(time_of_day(Duration::ZERO), "00:00:00");
        assert_eq!(time_of_day(Duration::from_secs(86_400 + 3_661)), "01:01:01");
        assert_eq!(time_of_day(Duration::from_secs(86_399)), "23:59:59");
    }

    #[test]
    fn the_walk_stays_in_its_range_and_moves() {
        let mut walk = Walk::new(7);
        let values: Vec<_> = (0..1000).map(|_| walk.step()).collect();
        assert!(values.iter().all(|value| (0.0..=100.0).contains(value)));
        assert!(
            values
                .windows(2)
                .all(|pair| (pair[0] - pair[1]).abs() < 6.55)
        );
        assert!(values.iter().any(|value| *value != values[0]));
    }
}
