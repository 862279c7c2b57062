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
