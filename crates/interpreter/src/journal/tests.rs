mod golden;
pub(crate) mod sample;

use skald_query::Payload;

use super::*;
use crate::context::Dice;
use crate::event::StateType;

const SEEDS: std::ops::Range<u64> = 0..300;

fn count(records: &[Record]) -> u32 {
    u32::try_from(records.len()).expect("a test has few records")
}

fn event(id: u64, kind: EventKind) -> Record {
    let at = Timestamp::from_millis(1_700_000_000_000);
    Record::Event(Event { id, previous: id.saturating_sub(1), at, frame: FrameId::TOP, kind })
}

fn succeeded(output: &Payload) -> Record {
    event(1, EventKind::ExecutionSucceeded { output: output.clone() })
}

fn output_of(record: &Record) -> &Payload {
    match record {
        Record::Event(Event { kind: EventKind::ExecutionSucceeded { output }, .. }) => output,
        Record::Event(_) | Record::Note(_) => panic!("the record is not the one written: {record:?}"),
    }
}

#[test]
fn generated_records_come_back() {
    for seed in SEEDS {
        let records = sample::records(&mut Dice::seeded(seed));
        let bytes = encode(&records);
        assert_eq!(decode(&bytes, count(&records)), Ok(records), "seed {seed}");
    }
}

#[test]
fn no_records_are_a_chunk_too() {
    assert_eq!(encode(&[]), [VERSION]);
    assert_eq!(decode(&[VERSION], 0), Ok(Vec::new()));
}

#[test]
fn equal_payloads_are_written_once_and_share_again() {
    let text = format!("{{\"big\":\"{}\"}}", "x".repeat(1_000));
    let (first, equal, other) = (Payload::trusted(text.clone()), Payload::trusted(text.clone()), Payload::trusted("1"));
    let records = [succeeded(&first), succeeded(&other), succeeded(&first), succeeded(&equal), succeeded(&other)];
    let bytes = encode(&records);
    assert!(bytes.len() < text.len() + 100, "{} bytes", bytes.len());
    let decoded = decode(&bytes, 5).expect("it was just written");
    let outputs: Vec<&Payload> = decoded.iter().map(output_of).collect();
    assert!(outputs[0].is_same(outputs[2]) && outputs[0].is_same(outputs[3]));
    assert!(outputs[1].is_same(outputs[4]) && !outputs[0].is_same(outputs[1]));
}

#[test]
fn names_share_again() {
    let entered = |name: &str| {
        event(2, EventKind::StateEntered { state_type: StateType::Pass, name: name.into(), input: Payload::empty_object(), due: None })
    };
    let records = [entered("Hold"), entered("Go"), entered("Hold")];
    let decoded = decode(&encode(&records), 3).expect("it was just written");
    let name_of = |record: &Record| match record {
        Record::Event(Event { kind: EventKind::StateEntered { name, .. }, .. }) => std::sync::Arc::clone(name),
        Record::Event(_) | Record::Note(_) => panic!("the record is not the one written: {record:?}"),
    };
    assert!(std::sync::Arc::ptr_eq(&name_of(&decoded[0]), &name_of(&decoded[2])));
    assert_eq!(&*name_of(&decoded[1]), "Go");
}

/// Many texts of the same length, beginning, middle and end: the table gives up on some, and nothing is confused.
#[test]
fn texts_that_look_alike_are_told_apart() {
    let alike: Vec<Payload> = (0..500).map(|n| Payload::trusted(format!("\"{:0<12}{n:03}{:0<25}\"", "", ""))).collect();
    let records: Vec<Record> = alike.iter().chain(&alike).map(succeeded).collect();
    assert_eq!(decode(&encode(&records), count(&records)), Ok(records));
}

#[test]
fn payload_text_comes_back_byte_for_byte() {
    for text in ["{ \"a\" : 1.0e0 }", "\t[1 ,2]\n", "\"\\u00e9 é 😀\"", "1e999", "", "  "] {
        let records = [succeeded(&Payload::trusted(text))];
        let decoded = decode(&encode(&records), 1).expect("it was just written");
        assert_eq!(output_of(&decoded[0]).text(), text);
    }
}

#[test]
fn every_truncation_is_an_error() {
    for seed in 0..20 {
        let records = sample::records(&mut Dice::seeded(seed));
        let bytes = encode(&records);
        for length in 0..bytes.len() {
            let decoded = decode(&bytes[..length], count(&records));
            let truncated = matches!(decoded, Err(DecodeError::Truncated { .. }));
            assert!(truncated || records.is_empty(), "seed {seed}, {length} of {} bytes: {decoded:?}", bytes.len());
        }
    }
}

/// Whatever the bytes, decoding ends with records or an error.
#[test]
fn damaged_bytes_never_panic() {
    for seed in SEEDS {
        let mut dice = Dice::seeded(seed);
        let records = sample::records(&mut dice);
        let intact = encode(&records);
        for _ in 0..50 {
            let mut bytes = intact.clone();
            for _ in 0..=dice.roll() % 3 {
                let place = usize::try_from(dice.roll() % bytes.len() as u64).expect("a place in memory");
                bytes[place] = if dice.roll().is_multiple_of(2) { bytes[place] ^ 1 << (dice.roll() % 8) } else { dice.roll() as u8 };
            }
            let _ = decode(&bytes, count(&records));
        }
        let noise: Vec<u8> = (0..200).map(|_| dice.roll() as u8).collect();
        let _ = decode(&noise, u32::MAX);
        let _ = decode(&[&[VERSION], noise.as_slice()].concat(), u32::MAX);
    }
}

/// A chunk of one record with these bytes: its tag, and for events the head, and fields.
fn chunk_of(record: &[u8]) -> Vec<u8> {
    let length = u8::try_from(record.len()).expect("the record of a test is short");
    [&[VERSION, length, 0, 0, 0], record].concat()
}

#[test]
fn errors_name_the_place() {
    let settled = chunk_of(&[195, 7]);
    let with = |place: usize, byte: u8| {
        let mut bytes = settled.clone();
        bytes[place] = byte;
        bytes
    };
    let cases = [
        (Vec::new(), 0, "truncated at byte 0"),
        (with(0, 9), 1, "unknown journal format version 9"),
        (with(1, 1), 1, "truncated at byte 6"),
        (with(1, 200), 1, "truncated at byte 1"),
        (with(5, 255), 1, "unknown record tag 255 at byte 5"),
        (settled.clone(), 0, "bytes left over at byte 1"),
        (settled.clone(), 2, "truncated at byte 7"),
        // A record of a later version: its new field is not skipped.
        (chunk_of(&[195, 7, 1]), 1, "bytes left over at byte 7"),
        ([chunk_of(&[195, 7, 1]), settled[1..].to_vec()].concat(), 2, "bytes left over at byte 7"),
        // Created in a partition that is no text.
        (chunk_of(&[192, 1, 0xFF]), 1, "text is not UTF-8 at byte 7"),
        // Delivered, of an event id of 65 bits, and of eleven bytes.
        (chunk_of(&[&[194], [0xFF; 9].as_slice(), &[2]].concat()), 1, "number too large at byte 6"),
        (chunk_of(&[&[194], [0x80; 10].as_slice(), &[0]].concat()), 1, "number too large at byte 6"),
        // RetryScheduled in a frame beyond 32 bits.
        (chunk_of(&[193, 0x80, 0x80, 0x80, 0x80, 0x10]), 1, "number too large at byte 6"),
        // ExecutionFailed whose error is neither there nor not; ExecutionSucceeded with the first payload of none.
        (chunk_of(&[3, 2, 2, 0, 0, 2]), 1, "unknown value 2 at byte 10"),
        (chunk_of(&[2, 2, 2, 0, 0, 1]), 1, "reference to nothing earlier at byte 10"),
        // An unknown event; ParallelStateStarted with more branches than bytes.
        (chunk_of(&[99, 2, 2, 0, 0]), 1, "unknown record tag 99 at byte 5"),
        (chunk_of(&[50, 2, 2, 0, 0, 1, 0xFF, 0x7F]), 1, "truncated at byte 11"),
    ];
    for (bytes, count, expected) in cases {
        assert_eq!(decode(&bytes, count).map_err(|error| error.to_string()), Err(expected.to_owned()), "{bytes:?}");
    }
}
