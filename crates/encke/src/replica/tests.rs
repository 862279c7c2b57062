use super::*;
use crate::{
    HubConfig,
    broker::Kept,
    log::{Branch, Lineage},
};
use encke_proto::Read;
use std::{ops::RangeInclusive, time::Duration};

const EPOCH: Epoch = Epoch::new(1);

struct Fixture {
    replica: Replica,
    log: Log,
    retention: Retention,
    memory: Arc<Memory>,
    now: Instant,
}

impl Fixture {
    fn new() -> Self {
        Self {
            replica: Replica::default(),
            log: Log::new(Position::UNKNOWN),
            retention: HubConfig::default().retention,
            memory: Arc::default(),
            now: Instant::now(),
        }
    }

    fn read(&mut self, answer: Result<Snapshot, BrokerError>) -> bool {
        let bounds = Bounds {
            retention: &self.retention,
            memory: &self.memory,
        };
        let replica = &mut self.replica;
        replica.handle_read(&mut self.log, answer, &bounds, self.now)
    }
}

fn snapshot(head: u64) -> Snapshot {
    Snapshot {
        head: Position::new(EPOCH, head),
        lineage: Lineage::default(),
        kept: Vec::new(),
    }
}

fn keeping(epoch: Epoch, offsets: RangeInclusive<u64>) -> Snapshot {
    let kept = |offset| Kept {
        offset,
        data: Data::from("x"),
        age: Duration::ZERO,
    };
    Snapshot {
        head: Position::new(epoch, *offsets.end()),
        lineage: Lineage::default(),
        kept: offsets.map(kept).collect(),
    }
}

#[test]
fn what_was_wanted_during_a_read_is_read_although_that_one_failed() {
    let mut fixture = Fixture::new();
    let (first, _) = fixture.replica.want_read();
    fixture.replica.begin_read(&fixture.log);
    let (second, begins) = fixture.replica.want_read();
    assert!(!begins);
    let error = BrokerError::Unanswered("late".into());
    assert!(fixture.read(Err(error.clone())), "another is begun");
    assert_eq!(fixture.replica.outcome(first), Some(Err(error)));
    assert_eq!(fixture.replica.outcome(second), None);
    fixture.replica.begin_read(&fixture.log);
    assert!(!fixture.read(Ok(snapshot(7))));
    assert_eq!(fixture.replica.outcome(second), Some(Ok(())));
}

#[test]
fn what_the_newest_pushed_out_is_there_again_once_they_are_lost() {
    let mut fixture = Fixture::new();
    fixture.retention = HubConfig::default()
        .history(2, Duration::from_secs(300))
        .live_window(0, Duration::ZERO)
        .retention;
    fixture.read(Ok(keeping(EPOCH, 1..=4)));
    let after_restart = Snapshot {
        lineage: Lineage::new([Branch {
            epoch: EPOCH,
            until: 2,
        }]),
        ..keeping(Epoch::new(2), 1..=2)
    };
    fixture.read(Ok(after_restart));
    let mut cursor = Position::new(EPOCH, 0);
    let mut next = || {
        let read = fixture
            .log
            .read(&mut cursor, &fixture.retention, fixture.now);
        read.map(|read| match read {
            Read::Publication(item) => item.publication().position,
            Read::Gap(gap) => panic!("{gap:?}"),
        })
    };
    assert_eq!(next(), Some(Position::new(Epoch::new(2), 1)));
    assert_eq!(next(), Some(Position::new(Epoch::new(2), 2)));
    assert_eq!(next(), None);
}

#[test]
fn what_others_put_into_an_engine_is_no_publication_and_harms_nobody() {
    let mut fixture = Fixture::new();
    fixture.replica.begin_read(&fixture.log);
    let mut foreign = keeping(EPOCH, 0..=9);
    foreign.head.offset = 3;
    fixture.read(Ok(foreign));
    assert_eq!(fixture.log.head(), Position::new(EPOCH, 3));
    assert_eq!(fixture.log.first(), 1);
    fixture.replica.begin_read(&fixture.log);
    fixture.read(Ok(snapshot(u64::MAX)));
    assert_eq!(fixture.log.head(), Position::new(EPOCH, 3));
}
