//! One connected client: what it may have next.
//!
//! Invariant: per channel, a session hands out every offset once and in order, or a gap that
//! covers it; and it says where it stands before anything else.

use crate::Position;
use std::{
    num::NonZeroU32,
    slice,
    time::{Duration, Instant},
};

/// Publications that a subscriber cannot have any more, first and last included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Where the gap ends; what follows it has the same epoch and the next offset.
    pub to: Position,
    /// The first lost offset; `None` where the loss cannot be counted: the subscriber came from
    /// another epoch, or from a position this log never had.
    pub from: Option<u64>,
}

/// Where a new subscription starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With what is published from now on.
    Head,
    /// Up to this many publications back.
    Recent(usize),
    /// Behind a position.
    After(Position),
}

/// What a log has for a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<P> {
    /// The next publication.
    Publication(P),
    /// Some that are gone.
    Gap(Gap),
}

/// Why the server ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disconnect {
    /// The server is going down; come back, perhaps elsewhere.
    Shutdown,
    /// The client took nothing for too long while data waited.
    Stalled,
}

/// What to send to the client next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmit<P> {
    /// Where the session stands, said once and first.
    Opened,
    /// A publication of the channel with this index.
    Publication {
        /// Index among the session's channels.
        channel: usize,
        /// What the log gave.
        publication: P,
    },
    /// A gap in the channel with this index.
    Gap {
        /// Index among the session's channels.
        channel: usize,
        /// What is missing.
        gap: Gap,
    },
    /// A sign of life.
    Ping,
    /// The end; nothing follows.
    Disconnect(Disconnect),
}

/// The state machine of one session: cursors, keep-alive, end.
///
/// Call [`poll_transmit`](Self::poll_transmit) until it gives `None`; call it again when a log has
/// news, at [`next_timeout`](Self::next_timeout), and after
/// [`handle_disconnect`](Self::handle_disconnect).
#[derive(Debug)]
pub struct Session {
    cursors: Cursors,
    /// Milliseconds; `None` where no ping is ever due.
    keep_alive: Option<NonZeroU32>,
    ping_at: Option<Instant>,
    turn: u8,
    phase: Phase,
    /// Said once the logs have nothing more.
    goodbye: Option<Disconnect>,
}

/// One per channel. Most sessions have one, and there are many of them.
#[derive(Debug)]
enum Cursors {
    One(Position),
    Many(Box<[Position]>),
}

impl Cursors {
    fn as_slice(&self) -> &[Position] {
        match self {
            Self::One(cursor) => slice::from_ref(cursor),
            Self::Many(cursors) => cursors,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Position] {
        match self {
            Self::One(cursor) => slice::from_mut(cursor),
            Self::Many(cursors) => cursors,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Live,
    Ended,
}

impl Session {
    /// A session whose channels, at most 256, stand at `cursors`.
    ///
    /// Kept to the millisecond: a `keep_alive` of less never pings, nor does one of over 49 days.
    pub fn new(cursors: &[Position], keep_alive: Duration, now: Instant) -> Self {
        let keep_alive = u32::try_from(keep_alive.as_millis())
            .ok()
            .and_then(NonZeroU32::new);
        Self {
            cursors: match cursors {
                [cursor] => Cursors::One(*cursor),
                cursors => Cursors::Many(cursors.into()),
            },
            turn: 0,
            keep_alive,
            ping_at: next_ping(keep_alive, now),
            phase: Phase::Opening,
            goodbye: None,
        }
    }

    /// Where the session stands in each of its channels, after what was transmitted last.
    pub fn positions(&self) -> &[Position] {
        self.cursors.as_slice()
    }

    /// Hands out everything of this channel up to `to` in one: what the caller has as bytes that
    /// other sessions at the same place get too.
    pub fn advance(&mut self, channel: usize, to: Position, now: Instant) {
        self.cursors.as_mut_slice()[channel] = to;
        self.ping_at = next_ping(self.keep_alive, now);
    }

    /// Whether it hands out publications: it has said where it stands, and has not ended.
    pub fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// The next thing to send, if there is one now.
    ///
    /// `read` reads the log of the channel with the given index and advances the cursor it gets.
    /// The channels take turns, so that a busy one does not starve the others.
    pub fn poll_transmit<P>(
        &mut self,
        now: Instant,
        read: impl FnMut(usize, &mut Position) -> Option<Read<P>>,
    ) -> Option<Transmit<P>> {
        let transmit = match self.phase {
            Phase::Opening => {
                self.phase = Phase::Live;
                Some(Transmit::Opened)
            }
            Phase::Live => self.next_read(read).or_else(|| self.end_or_ping(now)),
            Phase::Ended => None,
        };
        if transmit.is_some() {
            self.ping_at = next_ping(self.keep_alive, now);
        }
        transmit
    }

    /// When to call [`poll_transmit`](Self::poll_transmit) although no log has news.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.ping_at.filter(|_| self.phase != Phase::Ended)
    }

    /// Ends the session once it has sent what its logs have.
    pub fn handle_disconnect(&mut self, disconnect: Disconnect) {
        self.goodbye.get_or_insert(disconnect);
    }

    /// Ends the session with what was transmitted last.
    pub fn end(&mut self) {
        self.phase = Phase::Ended;
    }

    /// Whether the end was transmitted.
    pub fn is_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn next_read<P>(
        &mut self,
        mut read: impl FnMut(usize, &mut Position) -> Option<Read<P>>,
    ) -> Option<Transmit<P>> {
        let cursors = self.cursors.as_mut_slice();
        for _ in 0..cursors.len() {
            let channel = usize::from(self.turn);
            self.turn = ((channel + 1) % cursors.len()) as u8;
            match read(channel, &mut cursors[channel]) {
                Some(Read::Publication(publication)) => {
                    return Some(Transmit::Publication {
                        channel,
                        publication,
                    });
                }
                Some(Read::Gap(gap)) => return Some(Transmit::Gap { channel, gap }),
                None => {}
            }
        }
        None
    }

    fn end_or_ping<P>(&mut self, now: Instant) -> Option<Transmit<P>> {
        if let Some(disconnect) = self.goodbye {
            self.phase = Phase::Ended;
            return Some(Transmit::Disconnect(disconnect));
        }
        self.ping_at
            .is_some_and(|at| at <= now)
            .then_some(Transmit::Ping)
    }
}

fn next_ping(keep_alive: Option<NonZeroU32>, now: Instant) -> Option<Instant> {
    now.checked_add(Duration::from_millis(keep_alive?.get().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epoch;

    const KEEP_ALIVE: Duration = Duration::from_secs(25);

    /// A log that gives the offsets up to `head`.
    fn up_to(heads: &[u64]) -> impl FnMut(usize, &mut Position) -> Option<Read<u64>> {
        |channel, cursor| {
            (cursor.offset < heads[channel]).then(|| {
                cursor.offset += 1;
                Read::Publication(cursor.offset)
            })
        }
    }

    fn session(channels: usize, now: Instant) -> Session {
        let start = Position::new(Epoch::new(1), 0);
        Session::new(&vec![start; channels], KEEP_ALIVE, now)
    }

    fn publication(channel: usize, publication: u64) -> Option<Transmit<u64>> {
        Some(Transmit::Publication {
            channel,
            publication,
        })
    }

    #[test]
    fn says_where_it_stands_before_the_first_publication() {
        let now = Instant::now();
        let mut session = session(1, now);
        assert_eq!(
            session.poll_transmit(now, up_to(&[1])),
            Some(Transmit::Opened)
        );
        assert_eq!(session.poll_transmit(now, up_to(&[1])), publication(0, 1));
        assert_eq!(session.poll_transmit(now, up_to(&[1])), None);
    }

    #[test]
    fn a_busy_channel_does_not_starve_the_others() {
        let now = Instant::now();
        let mut session = session(2, now);
        let mut next = || session.poll_transmit(now, up_to(&[1000, 1]));
        assert_eq!(next(), Some(Transmit::Opened));
        assert_eq!(next(), publication(0, 1));
        assert_eq!(next(), publication(1, 1));
        assert_eq!(next(), publication(0, 2));
    }

    #[test]
    fn a_quiet_session_pings_and_a_busy_one_does_not() {
        let start = Instant::now();
        let mut session = session(1, start);
        session.poll_transmit(start, up_to(&[0]));
        let later = start + KEEP_ALIVE - Duration::from_secs(1);
        assert_eq!(session.poll_transmit(later, up_to(&[1])), publication(0, 1));
        assert_eq!(session.poll_transmit(start + KEEP_ALIVE, up_to(&[1])), None);
        let due = session.next_timeout().unwrap();
        assert_eq!(due, later + KEEP_ALIVE);
        assert_eq!(
            session.poll_transmit(due, up_to(&[1])),
            Some(Transmit::Ping)
        );
        assert_eq!(session.poll_transmit(due, up_to(&[1])), None);
    }

    #[test]
    fn no_keep_alive_is_no_ping() {
        let now = Instant::now();
        for never in [Duration::ZERO, Duration::MAX] {
            let mut session = Session::new(&[Position::UNKNOWN], never, now);
            session.poll_transmit(now, up_to(&[0]));
            assert_eq!(session.next_timeout(), None);
            assert_eq!(session.poll_transmit(now, up_to(&[0])), None);
        }
    }

    #[test]
    fn what_was_published_before_the_end_is_sent_before_the_goodbye() {
        let now = Instant::now();
        let mut session = session(1, now);
        session.poll_transmit(now, up_to(&[1]));
        session.handle_disconnect(Disconnect::Shutdown);
        assert_eq!(session.poll_transmit(now, up_to(&[1])), publication(0, 1));
        let goodbye = Some(Transmit::Disconnect(Disconnect::Shutdown));
        assert_eq!(session.poll_transmit(now, up_to(&[1])), goodbye);
        assert_eq!(session.poll_transmit(now, up_to(&[2])), None);
        assert_eq!(session.next_timeout(), None);
    }
}
