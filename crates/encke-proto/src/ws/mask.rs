//! The mask over what clients send (RFC 6455, 5.3).

/// Masks or unmasks `payload`, whose first byte is number `offset` of its frame.
pub(super) fn apply(payload: &mut [u8], mut key: [u8; 4], offset: usize) {
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let twice = [a, b, c, d, a, b, c, d];
    let wide = u64::from_ne_bytes(twice);
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(twice) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mask_is_the_key_over_and_over(
            payload in prop::collection::vec(any::<u8>(), 0..100),
            key in any::<[u8; 4]>(),
            cut in 0..100_usize,
        ) {
            let expected: Vec<u8> =
                payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
            let mut masked = payload;
            let cut = cut.min(masked.len());
            let (before, after) = masked.split_at_mut(cut);
            apply(before, key, 0);
            apply(after, key, cut);
            prop_assert_eq!(masked, expected);
        }
    }
}
