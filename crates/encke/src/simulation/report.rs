//! Which states and faults the schedules have reached, and how often.

use std::{cell::RefCell, fmt};

macro_rules! states {
    ($($state:ident: $name:literal,)*) => {
        /// What a schedule may reach.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum State { $($state,)* }

        impl State {
            const ALL: &[Self] = &[$(Self::$state,)*];

            fn name(self) -> &'static str {
                match self { $(Self::$state => $name,)* }
            }
        }
    };
}

states! {
    Read: "reads of a channel",
    ReadShared: "reads that somebody else had begun",
    ReadAgain: "reads begun by the one before",
    ReadFailed: "reads that failed",
    Early: "announcements kept until what is before them is read",
    EarlyOverflow: "announcements that were too much to keep",
    EarlyAppended: "announcements appended after a read",
    OtherEpochAnnounced: "announcements of another epoch",
    ReadShort: "reads that did not reach what was announced",
    ReachedBack: "reads that gave back what the newest had pushed out",
    Continued: "epochs continued without loss",
    ContinuedCut: "epochs continued with the newest cut off",
    BegunAnew: "logs begun anew",
    Hole: "holes in a log",
    LogUnknown: "subscribers that waited for a first read",
    PositionUnknown: "positions that called for a read",
    EpochDead: "epochs found dead",
    EpochKnownDead: "positions in an epoch known to be dead",
    Retired: "replicas retired",
    AttachedWhileDown: "subscribers attached while the link was down",
    Unavailable: "subscribers turned away",
    Published: "publications acknowledged",
    PublishedNothing: "publications that were not made",
    PublishedPerhaps: "publications that were perhaps made",
    PublishedAgain: "publications tried again with their key",
    KeyKnown: "keys that the engine knew",
    CountedGap: "gaps counted",
    UncountedGap: "gaps not counted",
    CrossedEpoch: "subscribers led into another epoch without a gap",
    CameBack: "subscribers that came back with a position",
    Stalled: "sessions ended because nothing was taken",
    QuestionLost: "questions lost",
    AnswerLost: "answers lost",
    AnswerTooLate: "answers too late",
    Refused: "publications refused",
    AnnouncementLost: "announcements lost in silence",
    AnnouncedByADeadConnection: "announcements of a connection that was gone",
    Cut: "connections cut",
    EngineRestarted: "engines restarted with everything",
    EngineLostNewest: "engines that lost the newest",
    Replaced: "engines that got as many others as they had lost",
    EngineLostAll: "engines that lost everything",
    ChannelForgotten: "channels forgotten",
    EngineLongAway: "engines away for longer than anything is kept",
    ClockForward: "clocks put forward",
    ClockBack: "clocks put back",
    NodeKilled: "nodes killed",
    NodeStarted: "nodes started again",
}

/// How often each state was reached.
#[derive(Clone)]
pub(crate) struct Report {
    counts: Vec<u64>,
}

thread_local! {
    static REPORT: RefCell<Report> = RefCell::default();
}

/// Counts a state, on this thread.
pub(crate) fn reached(state: State) {
    REPORT.with_borrow_mut(|report| report.counts[state as usize] += 1);
}

impl Report {
    /// What this thread has reached since it was last asked.
    pub(super) fn take() -> Self {
        REPORT.take()
    }

    pub(super) fn add(&mut self, other: &Self) {
        let counts = self.counts.iter_mut().zip(&other.counts);
        counts.for_each(|(sum, count)| *sum += count);
    }

    /// States that no schedule has reached.
    pub(super) fn unreached(&self) -> Vec<&'static str> {
        let unreached = |state: &&State| self.counts[**state as usize] == 0;
        let states = State::ALL.iter().filter(unreached);
        states.map(|state| state.name()).collect()
    }
}

impl Default for Report {
    fn default() -> Self {
        Self {
            counts: vec![0; State::ALL.len()],
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for state in State::ALL {
            writeln!(f, "{:>12}  {}", self.counts[*state as usize], state.name())?;
        }
        Ok(())
    }
}
