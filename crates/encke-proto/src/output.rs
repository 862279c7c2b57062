//! Bytes on their way to one connection: shared where that saves a copy, joined where they are small.

use bytes::Bytes;
use std::{collections::VecDeque, mem};

/// From this size on, shared bytes are handed over as they are rather than copied behind others.
const COPY_LIMIT: usize = 4 << 10;

/// What a session has to write, in order.
///
/// Of a publication that many sessions get, each holds a reference and not a copy: either it
/// stands alone, or it is so large that a write of its own costs less than the copy.
#[derive(Debug, Default)]
pub struct Output {
    pieces: VecDeque<Bytes>,
    /// Behind all pieces.
    joined: Vec<u8>,
}

impl Output {
    /// How many bytes there are to write.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Bytes::len).sum::<usize>() + self.joined.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.joined.is_empty()
    }

    /// Where to write what is this session's alone.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        let small = self
            .pieces
            .back()
            .is_some_and(|last| last.len() < COPY_LIMIT);
        if small && self.joined.is_empty() {
            self.joined = self.pieces.pop_back().unwrap_or_default().into();
        }
        &mut self.joined
    }

    /// Adds bytes that others have too.
    pub fn share(&mut self, bytes: Bytes) {
        if self.is_empty() || bytes.len() >= COPY_LIMIT {
            self.end_joined();
            self.pieces.push_back(bytes);
        } else {
            self.buffer().extend_from_slice(&bytes);
        }
    }

    /// Takes the next bytes to write, at most `limit`; empty where there are none.
    pub fn take(&mut self, limit: usize) -> Bytes {
        self.end_joined();
        let Some(mut first) = self.pieces.pop_front() else {
            return Bytes::new();
        };
        if first.len() > limit {
            self.pieces.push_front(first.split_off(limit));
        }
        first
    }

    fn end_joined(&mut self) {
        if !self.joined.is_empty() {
            self.pieces.push_back(mem::take(&mut self.joined).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_publication_alone_is_not_copied() {
        let shared = Bytes::from(vec![1; 100]);
        let mut output = Output::default();
        output.share(shared.clone());
        assert_eq!(output.take(1000).as_ptr(), shared.as_ptr());
    }

    #[test]
    fn a_large_publication_is_never_copied() {
        let shared = Bytes::from(vec![1; COPY_LIMIT]);
        let mut output = Output::default();
        output.buffer().extend_from_slice(b"head");
        output.share(shared.clone());
        output.buffer().extend_from_slice(b"tail");
        assert_eq!(output.take(usize::MAX), "head");
        assert_eq!(output.take(usize::MAX).as_ptr(), shared.as_ptr());
        assert_eq!(output.take(usize::MAX), "tail");
    }

    #[test]
    fn small_ones_behind_each_other_are_one_write() {
        let mut output = Output::default();
        for text in ["kiki", "foo", "bar"] {
            output.share(text.into());
        }
        assert_eq!(output.take(1000), "kikifoobar");
        assert!(output.is_empty());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Share(usize),
        Write(usize),
        Take(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..3 * COPY_LIMIT).prop_map(Step::Share),
            (0..COPY_LIMIT).prop_map(Step::Share),
            (0..100_usize).prop_map(Step::Write),
            (1..2 * COPY_LIMIT).prop_map(Step::Take),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_overtakes(steps in prop::collection::vec(step(), 0..60)) {
            let mut output = Output::default();
            let (mut written, mut taken) = (Vec::new(), Vec::new());
            for (number, step) in steps.into_iter().enumerate() {
                let bytes = |size| vec![number as u8; size];
                match step {
                    Step::Share(size) => {
                        written.extend_from_slice(&bytes(size));
                        output.share(bytes(size).into());
                    }
                    Step::Write(size) => {
                        written.extend_from_slice(&bytes(size));
                        output.buffer().extend_from_slice(&bytes(size));
                    }
                    Step::Take(limit) => {
                        let bytes = output.take(limit);
                        prop_assert!(bytes.len() <= limit);
                        taken.extend_from_slice(&bytes);
                    }
                }
                prop_assert_eq!(output.len(), written.len() - taken.len());
            }
            while !output.is_empty() {
                taken.extend_from_slice(&output.take(usize::MAX));
            }
            prop_assert_eq!(taken, written);
        }
    }
}
