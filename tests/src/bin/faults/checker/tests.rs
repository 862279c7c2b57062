//! Every way to break the rule is seen.

use encke::Epoch;

use super::*;
use crate::payload::data;
use crate::stream::Told;

const CHANNEL: &str = "news";

/// A checker, and a listener that stands at the begin of epoch 1 of its channel.
fn checker(loses: bool) -> (Checker, usize) {
    let checker = Checker::new();
    checker.begin_round(loses);
    for number in 0..10 {
        checker.attempt(id(number), CHANNEL, 100, true);
    }
    let listener = checker.add_listener("somebody".to_owned(), &[CHANNEL], true);
    checker.opened(listener, &[CHANNEL], &[at(1, 0)]);
    (checker, listener)
}

fn id(number: u32) -> Id {
    Id {
        publisher: 1,
        number,
    }
}

fn at(epoch: u64, offset: u64) -> Position {
    Position::new(Epoch::new(epoch), offset)
}

fn marker(at: Position) -> Marker {
    Marker {
        channel: CHANNEL,
        at,
        is_new: true,
    }
}

fn publication(position: Position, number: u32) -> Item {
    Item {
        positions: vec![position],
        token: String::new(),
        told: Told::Publication {
            channel: CHANNEL.to_owned(),
            position,
            data: data(id(number), CHANNEL),
        },
    }
}

fn gap(from: Option<u64>, to: Position) -> Item {
    Item {
        positions: vec![to],
        token: String::new(),
        told: Told::Gap {
            channel: CHANNEL.to_owned(),
            from,
            to,
        },
    }
}

fn keeps_the_rule(loses: bool, items: &[Item]) -> bool {
    let (checker, listener) = checker(loses);
    for item in items {
        checker.given(listener, &[CHANNEL], item);
    }
    !checker.is_broken()
}

#[test]
fn every_offset_comes_once_and_in_order() {
    let [one, two, three] = [1, 2, 3].map(|offset| publication(at(1, offset), offset as u32));
    assert!(keeps_the_rule(false, &[one, two]));
    let one = || publication(at(1, 1), 1);
    assert!(!keeps_the_rule(false, &[one(), three]));
    assert!(!keeps_the_rule(false, &[one(), one()]));
    assert!(!keeps_the_rule(false, &[one(), publication(at(1, 2), 1)]));
}

#[test]
fn a_gap_covers_what_is_missing_and_no_more() {
    let five = || publication(at(1, 5), 5);
    assert!(keeps_the_rule(false, &[gap(Some(1), at(1, 4)), five()]));
    assert!(!keeps_the_rule(false, &[gap(Some(1), at(1, 3)), five()]));
    assert!(!keeps_the_rule(false, &[gap(Some(2), at(1, 4)), five()]));
}

#[test]
fn only_with_loss_a_gap_cannot_be_counted_and_what_is_left_is_given_again() {
    let items = || {
        [
            publication(at(1, 1), 1),
            gap(None, at(2, 0)),
            publication(at(2, 1), 1),
        ]
    };
    assert!(keeps_the_rule(true, &items()));
    assert!(!keeps_the_rule(false, &items()));
}

#[test]
fn another_epoch_goes_on_by_one_or_with_a_gap() {
    let one = || publication(at(1, 1), 1);
    assert!(keeps_the_rule(true, &[one(), publication(at(2, 2), 2)]));
    assert!(!keeps_the_rule(true, &[one(), publication(at(2, 1), 2)]));
    assert!(!keeps_the_rule(true, &[one(), publication(at(2, 3), 2)]));
}

#[test]
fn who_comes_back_stands_where_it_stood() {
    for (back_at, may) in [(at(1, 1), true), (at(1, 0), false), (at(2, 1), false)] {
        let (checker, listener) = checker(true);
        checker.given(listener, &[CHANNEL], &publication(at(1, 1), 1));
        checker.opened(listener, &[CHANNEL], &[back_at]);
        assert_eq!(!checker.is_broken(), may, "{back_at}");
    }
}

#[test]
fn who_has_not_come_to_the_end_is_behind() {
    let (checker, listener) = checker(true);
    checker.given(listener, &[CHANNEL], &publication(at(1, 1), 1));
    assert!(checker.behind(&[marker(at(1, 1))]).is_empty());
    assert_eq!(checker.behind(&[marker(at(1, 2))]).len(), 1);
    assert_eq!(checker.behind(&[marker(at(2, 1))]).len(), 1);
    checker.add_listener("nobody".to_owned(), &[CHANNEL], true);
    assert_eq!(checker.behind(&[marker(at(1, 1))]).len(), 1);
}
