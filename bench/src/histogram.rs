//! How long things took: counts in buckets 1.6 % wide, whatever the number of things.

/// Buckets per power of two.
const STEPS: u64 = 64;

pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; bucket(u64::MAX) + 1],
            total: 0,
            longest: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.counts.fill(0);
        self.total = 0;
        self.longest = 0;
    }

    pub(crate) fn record(&mut self, nanoseconds: u64) {
        self.counts[bucket(nanoseconds)] += 1;
        self.total += 1;
        self.longest = self.longest.max(nanoseconds);
    }

    /// Counts what the other has counted, too.
    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// Milliseconds that this share of the things took at most.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut left = (self.total as f64 * share).ceil() as u64;
        for (bucket, count) in self.counts.iter().enumerate() {
            left = left.saturating_sub(*count);
            if left == 0 && *count > 0 {
                return upper_bound(bucket).min(self.longest) as f64 / 1e6;
            }
        }
        self.longest as f64 / 1e6
    }

    /// Milliseconds of the one that took longest.
    pub(crate) fn longest(&self) -> f64 {
        self.longest as f64 / 1e6
    }
}

fn bucket(value: u64) -> usize {
    let shift = (value | STEPS).ilog2() - STEPS.ilog2();
    (u64::from(shift) * STEPS + (value >> shift)) as usize
}

/// The largest value of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    let first = (bucket % STEPS + STEPS) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_a_bucket_of_the_exact_one() {
        let mut histogram = Histogram::new();
        for value in 1..=100_000_u64 {
            histogram.record(value * 1000);
        }
        for share in [0.01, 0.5, 0.9, 0.99, 1.0] {
            let exact = 100.0 * share;
            let quantile = histogram.quantile(share);
            assert!(
                (exact..=exact * 1.016).contains(&quantile),
                "{share}: {quantile}"
            );
        }
        assert_eq!(histogram.longest(), 100.0);
    }

    #[test]
    fn every_value_is_within_the_bounds_of_its_bucket() {
        for value in (0..64).flat_map(|shift| [1 << shift, (1 << shift) + 1, (1_u64 << shift) - 1])
        {
            assert!(upper_bound(bucket(value)) >= value, "{value}");
            assert!(
                bucket(value) == 0 || upper_bound(bucket(value) - 1) < value,
                "{value}"
            );
        }
    }
}
