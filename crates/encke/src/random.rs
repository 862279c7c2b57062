//! What nobody can guess.

/// A random number other than 0.
///
/// # Panics
///
/// Where the system has no randomness to give.
pub(crate) fn number() -> u64 {
    #[cfg(all(test, not(encke_loom)))]
    if let Some(number) = seeded::number() {
        return number.max(1);
    }
    getrandom::u64()
        .expect("the system gives random bytes")
        .max(1)
}

/// A random fraction, from 0 up to 1.
pub(crate) fn fraction() -> f64 {
    #[cfg(all(test, not(encke_loom)))]
    if let Some(number) = seeded::number() {
        return (number >> 11) as f64 / (1_u64 << 53) as f64;
    }
    let number = getrandom::u32().unwrap_or(u32::MAX / 2);
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

/// Random bytes.
///
/// # Panics
///
/// Where the system has no randomness to give.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// What a test can repeat: numbers and fractions from a seed, on the test's own thread.
#[cfg(all(test, not(encke_loom)))]
pub(crate) mod seeded {
    use std::cell::Cell;

    thread_local! {
        static STATE: Cell<Option<u64>> = const { Cell::new(None) };
    }

    /// Draws from this seed from here on.
    pub(crate) fn begin(seed: u64) {
        STATE.set(Some(seed));
    }

    /// Draws what nobody can guess again.
    pub(crate) fn end() {
        STATE.set(None);
    }

    /// SplitMix64.
    pub(crate) fn next(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = *state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    pub(super) fn number() -> Option<u64> {
        let mut state = STATE.get()?;
        let number = next(&mut state);
        STATE.set(Some(state));
        Some(number)
    }
}
