use super::*;
use proptest::prelude::*;
use std::time::Duration;

#[derive(Debug, Clone)]
enum Step {
    /// Bytes of the client, cut anywhere.
    Hear(usize),
    Wait(u64),
    Send(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40_usize).prop_map(Step::Hear),
        2 => (1..40_u64).prop_map(Step::Wait),
        1 => (0..200_usize).prop_map(Step::Send),
    ]
}

/// What a client says, one way after another.
fn said(now: Instant) -> Vec<u8> {
    let mut client = client(Config::default(), now);
    let mut said = Vec::new();
    for message in [
        Message::from("kiki"),
        Message::Ping("foo".into()),
        Message::Pong("".into()),
        "x".repeat(300).into(),
    ] {
        said.extend(sent(&mut client, message, now));
    }
    said
}

fn do_step(
    connection: &mut Connection,
    step: &Step,
    said: &[u8],
    now: Instant,
) -> (Vec<Event>, Vec<u8>) {
    let mut out = Output::default();
    let mut told = Vec::new();
    match step {
        Step::Hear(_) => told = events(connection, said, now),
        Step::Wait(_) => {
            if connection.next_timeout().is_some_and(|at| at <= now) {
                connection.handle_timeout(now);
            }
            told.extend(connection.poll_event());
        }
        Step::Send(len) => drop(connection.send("x".repeat(*len).into(), &mut out, now)),
    }
    connection.poll_transmit(&mut out, now);
    (told, take(&mut out))
}

proptest! {
    #[test]
    fn nobody_notices_that_an_idle_connection_was_forgotten(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut now = Instant::now();
        let config = Arc::new(Config::default());
        let mut kept = Connection::server(config.clone(), None, now);
        let mut forgotten = Connection::server(config.clone(), None, now);
        let stream = said(now);
        let (mut at, mut times) = (0, 0);
        for step in &steps {
            if let Step::Wait(seconds) = step {
                now += Duration::from_secs(*seconds);
            }
            let mut heard: &[u8] = &[];
            if let Step::Hear(len) = step {
                heard = &stream[at..stream.len().min(at + len)];
                at = (at + heard.len()) % stream.len();
            }
            if let Some(idle) = forgotten.idle() {
                prop_assert_eq!(idle.next_timeout(), forgotten.next_timeout());
                forgotten = Connection::from_idle(config.clone(), None, &idle);
                times += 1;
            }
            prop_assert_eq!(do_step(&mut kept, step, heard, now), do_step(&mut forgotten, step, heard, now));
            prop_assert_eq!(kept.next_timeout(), forgotten.next_timeout());
            prop_assert_eq!(kept.phase(), forgotten.phase());
        }
        prop_assert!(times > 0);
    }
}
