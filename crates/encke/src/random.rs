//! What nobody can guess.

/// A random number other than 0.
///
/// # Panics
///
/// Where the system has no randomness to give.
pub(crate) fn number() -> u64 {
    getrandom::u64()
        .expect("the system gives random bytes")
        .max(1)
}

/// A random fraction, from 0 up to 1.
pub(crate) fn fraction() -> f64 {
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
