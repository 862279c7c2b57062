//! What contradicts what is known is refused.

use super::*;

const KEEPS: Generation = Generation {
    number: 0,
    loses: false,
};
const LOSES: Generation = Generation {
    number: 1,
    loses: true,
};

fn id(number: u32) -> Id {
    Id {
        publisher: 1,
        number,
    }
}

fn at(epoch: u64, offset: u64) -> Position {
    Position::new(Epoch::new(epoch), offset)
}

/// With so many publications, with a key or without.
fn ledger(count: u32, keyed: bool) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0..count {
        ledger.attempt(id(number), 100, keyed);
    }
    ledger
}

#[test]
fn a_position_is_one_publication() {
    let mut ledger = ledger(2, false);
    ledger.is_at(id(0), at(1, 1), LOSES).unwrap();
    ledger.is_at(id(0), at(1, 1), LOSES).unwrap();
    ledger.is_at(id(1), at(1, 1), LOSES).unwrap_err();
}

#[test]
fn what_nobody_published_or_was_refused_is_nowhere() {
    let mut ledger = ledger(2, false);
    ledger.is_at(id(7), at(1, 1), LOSES).unwrap_err();
    ledger.refused(id(0)).unwrap();
    ledger.is_at(id(0), at(1, 1), LOSES).unwrap_err();
    ledger.is_at(id(1), at(1, 2), LOSES).unwrap();
    ledger.refused(id(1)).unwrap_err();
}

#[test]
fn a_publication_has_one_position_in_an_epoch_and_its_offset_in_those_that_continue_it() {
    let mut ledger = ledger(1, true);
    ledger.is_at(id(0), at(1, 1), LOSES).unwrap();
    ledger.is_at(id(0), at(2, 1), LOSES).unwrap();
    ledger.is_at(id(0), at(2, 2), LOSES).unwrap_err();
}

#[test]
fn only_who_tries_again_with_a_key_may_publish_again_what_was_lost() {
    for (keyed, generation, may) in [
        (true, LOSES, true),
        (true, KEEPS, false),
        (false, LOSES, false),
    ] {
        let mut ledger = ledger(1, keyed);
        ledger.is_at(id(0), at(1, 1), generation).unwrap();
        let again = ledger.is_at(id(0), at(2, 5), generation);
        assert_eq!(again.is_ok(), may, "{again:?}");
    }
}

#[test]
fn without_loss_an_offset_stays_a_publication_whatever_the_epoch() {
    let mut ledger = ledger(2, true);
    ledger.is_at(id(0), at(1, 1), KEEPS).unwrap();
    ledger.is_at(id(1), at(2, 1), KEEPS).unwrap_err();
}

#[test]
fn an_epoch_that_somebody_continues_has_what_the_one_before_had() {
    let mut ledger = ledger(2, true);
    ledger.is_at(id(0), at(1, 2), LOSES).unwrap();
    ledger.is_at(id(1), at(2, 2), LOSES).unwrap();
    ledger.continues(at(1, 1), Epoch::new(2));
    ledger.end_round(at(2, 3)).unwrap();
    ledger.continues(at(1, 2), Epoch::new(2));
    ledger.end_round(at(2, 3)).unwrap_err();
}

#[test]
fn what_was_acknowledged_is_before_the_end_or_lost_with_its_epoch() {
    let mut ledger = ledger(4, true);
    ledger.acknowledged(id(0), at(1, 1), LOSES).unwrap();
    ledger.acknowledged(id(1), at(1, 2), LOSES).unwrap();
    ledger.is_at(id(0), at(2, 1), LOSES).unwrap();
    ledger.is_at(id(2), at(2, 2), LOSES).unwrap();
    assert_eq!(ledger.end_round(at(2, 3)), Ok(1));
    ledger.acknowledged(id(3), at(2, 9), LOSES).unwrap();
    ledger.end_round(at(2, 4)).unwrap_err();
}

#[test]
fn a_gap_is_too_early_while_history_or_window_have_what_is_missing() {
    let mut ledger = ledger(40, true);
    for number in 0..40 {
        ledger
            .is_at(id(number), at(1, number.into()), KEEPS)
            .unwrap();
    }
    ledger.check_gap(0, at(1, 39), KEEPS).unwrap_err();
    ledger.check_gap(0, at(1, 10), KEEPS).unwrap_err();
    // As if the window had ended.
    for made in ledger.made.values_mut() {
        made.size = 100_000;
    }
    ledger.check_gap(0, at(1, 10), KEEPS).unwrap();
    ledger.check_gap(0, at(1, 30), KEEPS).unwrap_err();
}
