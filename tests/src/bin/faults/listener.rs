//! Listeners: browsers that come back with the position they were told last, wherever they can.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::door::{Mode, World};
use crate::exchange::Receives;
use crate::stream::{NoSession, Start, Stream, Transport};

/// How long a server may take to begin a session.
const OPEN_LIMIT: Duration = Duration::from_secs(7);

/// How long a session is silent that lives: some keep-alives of the nodes.
const SILENCE: Duration = Duration::from_secs(5);

/// How a listener is.
pub(crate) struct Listener {
    pub(crate) transport: Transport,
    pub(crate) channels: Vec<&'static str>,
    pub(crate) habit: Habit,
    /// Takes a server for dead that is silent for too long, as no browser does by itself.
    pub(crate) watchful: bool,
    pub(crate) dice: Dice,
}

/// What it does with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    Stays,
    /// Reads less than it is sent.
    ReadsSlowly,
    /// Leaves, and comes back where it was.
    ComesAndGoes,
}

impl Listener {
    /// The one with this number: over each transport there is every habit.
    pub(crate) fn new(seed: u64, number: usize, channels: &[&'static str]) -> Self {
        let mut dice = Dice::new(seed, "listener", number);
        let habits = [
            Habit::Stays,
            Habit::Stays,
            Habit::ReadsSlowly,
            Habit::ComesAndGoes,
        ];
        let habit = habits[number / 4 % 4];
        let count = [1, 1, 2, 3][dice.below(4)];
        let mut chosen = Vec::new();
        if habit == Habit::ReadsSlowly {
            chosen.push(crate::payload::LARGE);
        }
        while chosen.len() < count {
            let channel = *dice.pick(channels);
            if !chosen.contains(&channel) {
                chosen.push(channel);
            }
        }
        Self {
            transport: Transport::ALL[number % 4],
            channels: chosen,
            habit,
            watchful: dice.one_in(2),
            dice,
        }
    }

    pub(crate) fn name(&self, number: usize) -> String {
        let watchful = if self.watchful { " watchfully" } else { "" };
        format!(
            "listener {number} ({:?}, {:?}{watchful}, on {:?})",
            self.transport, self.habit, self.channels
        )
    }
}

/// Listens until the end.
pub(crate) async fn run(mut listener: Listener, number: usize, mut world: World) {
    let mut since = Start::Head;
    while world.mode() != Mode::End {
        let node = listener.dice.below(world.doors.len());
        let door = &world.doors[node];
        let (address, receives) = match listener.habit {
            Habit::ReadsSlowly => (door.node(), Receives::Little),
            _ => (door.proxy.address(), Receives::Much),
        };
        let opening = Stream::open(
            address,
            listener.transport,
            &listener.channels,
            &since,
            receives,
        );
        let checker = world.checker.clone();
        let why = match timeout(OPEN_LIMIT, opening).await {
            Ok(Ok(stream)) => {
                checker.note(number, &format!("asks node {node}, {since:?}"));
                session(&mut listener, stream, number, &mut since, &mut world).await
            }
            Ok(Err(NoSession::Refused(status))) => {
                if status.as_u16() != 503 {
                    checker.fail(&format!("{} was told {status}", listener.name(number)));
                }
                format!("refused {}", status.as_u16())
            }
            Ok(Err(NoSession::Broken(error))) => {
                if error.kind() == std::io::ErrorKind::InvalidData {
                    checker.fail(&format!("{} was told {error}", listener.name(number)));
                }
                "not opened".to_owned()
            }
            Err(_) => "opened too late".to_owned(),
        };
        checker.closed(number, &why);
        let away = match why.as_str() {
            LEFT => listener.dice.time(100..6_000),
            _ => listener.dice.time(20..400),
        };
        let mode = if why == LEFT {
            Mode::Busy
        } else {
            world.mode()
        };
        world.while_in(mode, sleep(away)).await;
    }
}

const LEFT: &str = "left";

/// Reads a session to its end; gives why it ended.
async fn session(
    listener: &mut Listener,
    mut stream: Stream,
    number: usize,
    since: &mut Start,
    world: &mut World,
) -> String {
    let stays = match listener.habit {
        Habit::ComesAndGoes => listener.dice.time(200..5_000),
        _ => Duration::from_secs(86_400),
    };
    let leaving = sleep(stays);
    tokio::pin!(leaving);
    let mut is_opened = false;
    loop {
        let silence = if listener.watchful || !is_opened {
            SILENCE
        } else {
            Duration::from_secs(86_400)
        };
        let item = tokio::select! {
            item = timeout(silence, stream.next_or_alive()) => item,
            () = &mut leaving, if world.mode() == Mode::Busy => return LEFT.to_owned(),
            _ = world.mode.wait_for(|mode| *mode == Mode::End) => return "the end".to_owned(),
        };
        let item = match item {
            Ok(Ok(Some(Some(item)))) => item,
            // A sign of life.
            Ok(Ok(Some(None))) => continue,
            Ok(Ok(None)) => return "ended by the node".to_owned(),
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                world
                    .checker
                    .fail(&format!("{} was told {error}", listener.name(number)));
                return error.to_string();
            }
            Ok(Err(_)) => return "cut".to_owned(),
            Err(_) => return "silent".to_owned(),
        };
        match is_opened {
            false => world
                .checker
                .opened(number, &listener.channels, &item.positions),
            true => world.checker.given(number, &listener.channels, &item),
        }
        is_opened = true;
        *since = Start::Position(item.token);
        if listener.habit == Habit::ReadsSlowly {
            let pause = listener.dice.time(50..500);
            world.while_in(Mode::Busy, sleep(pause)).await;
        }
    }
}
