mod golden;
mod sample;
mod walk;

use skald_asl::parse::{self, MachineType};

use super::*;
use crate::context::Dice;
use crate::journal::layout::Tagged;
use crate::journal::tests::sample::Source;

const SEEDS: std::ops::Range<u64> = 0..300;

fn definition(text: &str) -> Arc<Definition> {
    let options = parse::Options { machine_type: MachineType::Standard };
    Arc::new(parse::parse(text, &options).expect("the definition is right").definition)
}

fn smallest() -> Arc<Definition> {
    definition(r#"{ "StartAt": "A", "States": { "A": { "Type": "Succeed" } } }"#)
}

fn made_up(seed: u64, definition: &Arc<Definition>) -> Execution {
    sample::execution(&mut Source::new(&mut Dice::seeded(seed)), definition)
}

fn again(execution: &Execution) -> Execution {
    decode(&encode(execution), Arc::clone(&execution.definition)).expect("it was just written")
}

#[test]
fn made_up_executions_come_back() {
    let definition = smallest();
    for seed in SEEDS {
        let execution = made_up(seed, &definition);
        assert_eq!(again(&execution), execution, "seed {seed}");
    }
}

#[test]
fn equal_payloads_are_written_once_and_share_again() {
    let text = format!("\"{}\"", "x".repeat(1_000));
    let mut execution = Execution::unborn(smallest());
    for id in 0..10 {
        let output = skald_query::Payload::trusted(text.clone());
        let step = crate::frame::Step::Ended { output };
        let frame = crate::frame::Frame { parent: None, index: id, last: 7, step, variables: std::collections::BTreeMap::new() };
        execution.frames.insert(crate::event::FrameId(id), frame);
    }
    let bytes = encode(&execution);
    assert!(bytes.len() < 1_200, "{} bytes", bytes.len());
    let decoded = again(&execution);
    let outputs: Vec<_> = decoded
        .frames
        .values()
        .filter_map(|frame| match &frame.step {
            crate::frame::Step::Ended { output } => Some(output),
            crate::frame::Step::Entering { .. } | crate::frame::Step::Inside(_) => None,
        })
        .collect();
    assert!(outputs.len() == 10 && outputs.iter().all(|output| output.is_same(outputs[0])));
}

#[test]
fn every_truncation_is_an_error() {
    let definition = smallest();
    for seed in 0..20 {
        let bytes = encode(&made_up(seed, &definition));
        for length in 0..bytes.len() {
            let decoded = decode(&bytes[..length], Arc::clone(&definition));
            let truncated = matches!(decoded, Err(DecodeError::Broken(journal::DecodeError::Truncated { .. })));
            assert!(truncated, "seed {seed}, {length} of {} bytes: {decoded:?}", bytes.len());
        }
    }
}

/// Whatever the bytes, decoding ends with an execution or an error.
#[test]
fn damaged_bytes_never_panic() {
    let definition = smallest();
    for seed in SEEDS {
        let intact = encode(&made_up(seed, &definition));
        let mut dice = Dice::seeded(seed);
        for _ in 0..50 {
            let mut bytes = intact.clone();
            for _ in 0..=dice.roll() % 3 {
                let place = usize::try_from(dice.roll() % bytes.len() as u64).expect("a place in memory");
                bytes[place] = if dice.roll().is_multiple_of(2) { bytes[place] ^ 1 << (dice.roll() % 8) } else { dice.roll() as u8 };
            }
            let _ = decode(&bytes, Arc::clone(&definition));
        }
        let noise: Vec<u8> = (0..200).map(|_| dice.roll() as u8).collect();
        let _ = decode(&noise, Arc::clone(&definition));
        let _ = decode(&[&[1], noise.as_slice()].concat(), Arc::clone(&definition));
    }
}

#[test]
fn errors_name_the_place() {
    // Version, position, last event, last time; no identity, unborn, next frame, no frames, no deadline, nothing owed.
    let unborn = [1, 0, 0, 0, 0, 1, 1, 0, 0, 0];
    assert_eq!(encode(&Execution::unborn(smallest())), unborn);
    let with = |place: usize, byte: u8| {
        let mut bytes = unborn.to_vec();
        bytes[place] = byte;
        bytes
    };
    let cases = [
        (Vec::new(), "no snapshot: truncated at byte 0"),
        (with(0, 2), "unknown fold version 2"),
        (with(0, 0), "unknown fold version 0"),
        (with(4, 2), "no snapshot: unknown value 2 at byte 4"),
        (with(5, 7), "no snapshot: unknown value 7 at byte 5"),
        // More frames, and more that is owed, than there are bytes.
        (with(7, 127), "no snapshot: truncated at byte 7"),
        (with(9, 1), "no snapshot: truncated at byte 9"),
        ([unborn.as_slice(), &[0]].concat(), "no snapshot: bytes left over at byte 10"),
    ];
    for (bytes, expected) in cases {
        let decoded = decode(&bytes, smallest()).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(decoded, Err(expected.to_owned()), "{bytes:?}");
    }
}
