//! The engine's own small parts: clock, tokens, formats. What it does with executions is tested in `conformance`.

mod golden;
mod rig;
mod queues;
mod retention;
mod waking;
mod express;
mod express_crashes;
mod heartbeats;
mod panics;
mod jobs;
mod overload;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use skald_asl::Timestamp;
use skald_store::{EntityId, PartitionId};

use crate::clock::{Clock, SteadyClock};
use crate::execution::ExecutionStatus;
use crate::keys::{self, ListKind};
use crate::scope::Scope;
use crate::shared::{derived_uuid, hash_of};
use crate::stored::{Envelope, Folded, Head, NameRecord};
use crate::token::{KeyRing, Token};

struct Wall(AtomicI64);

impl Clock for Wall {
    fn wall_millis(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn the_clock_follows_a_step_forward_and_goes_on_through_a_step_back() {
    let wall = Arc::new(Wall(AtomicI64::new(1_000_000)));
    let clock = SteadyClock::new(Arc::clone(&wall) as Arc<dyn Clock>, 0);
    assert_eq!(clock.now().millis, 1_000_000);
    wall.0.store(400_000, Ordering::Relaxed);
    tokio::time::advance(Duration::from_millis(250)).await;
    assert_eq!(clock.now().millis, 1_000_250, "ten minutes back: time goes on at its own pace");
    wall.0.store(9_000_000, Ordering::Relaxed);
    assert_eq!(clock.now().millis, 9_000_000, "forward: followed at once");
    let restarted = SteadyClock::new(Arc::clone(&wall) as Arc<dyn Clock>, 9_500_000);
    assert_eq!(restarted.now().millis, 9_500_000, "not before what the store has seen");
}

fn token() -> Token {
    Token { entity: EntityId::new(PartitionId(7), 1_700_000_000_000, 42), scheduled: 3, nonce: 0xDEAD_BEEF }
}

#[test]
fn a_token_says_where_it_belongs_and_cannot_be_forged() {
    let ring = KeyRing::of([1; 32]);
    let text = ring.mint(token());
    assert_eq!(ring.verify(&text), Ok(token()));
    assert!(KeyRing::of([2; 32]).verify(&text).is_err(), "another store's key");
    assert_eq!(KeyRing::from_bytes(&ring.to_bytes()).map(|ring| ring.verify(&text)), Some(Ok(token())));
    for place in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).expect("ASCII");
        assert!(ring.verify(&forged).is_err(), "changed at {place}");
    }
    for garbage in ["", "A", "not a token", "ü", &"A".repeat(5_000)] {
        assert!(ring.verify(garbage).is_err(), "{garbage:.20}");
    }
}

#[test]
fn stored_values_are_read_as_they_were_written() {
    let name = NameRecord {
        entity: token().entity,
        started_at: Timestamp::from_millis(1_700_000_000_123),
        input_hash: hash_of(&[b"{}"]),
        starter_hash: [0; 32],
    };
    assert_eq!(NameRecord::decode(&name.encode()), Some(name));
    let running = Envelope {
        status: ExecutionStatus::Running,
        started_at: name.started_at,
        stopped_at: None,
        name: "größe".to_owned(),
        listed: true,
        timer_due: Some(Timestamp::from_millis(1_800_000_000_000)),
    };
    let ended = Envelope { status: ExecutionStatus::TimedOut, stopped_at: running.timer_due, timer_due: None, ..running.clone() };
    for envelope in [running, ended] {
        let bytes = envelope.encode();
        assert_eq!(Envelope::decode(&bytes), Some(envelope));
        for length in 0..27 {
            assert_eq!(Envelope::decode(&bytes[..length]), None, "cut to {length}");
        }
    }
}

fn ended() -> Envelope {
    Envelope {
        status: ExecutionStatus::Succeeded,
        started_at: Timestamp::from_millis(1),
        stopped_at: Some(Timestamp::from_millis(2)),
        name: "N".to_owned(),
        listed: false,
        timer_due: None,
    }
}

#[test]
fn heads_come_back_with_and_without_a_folded_state() {
    let settled = Head { envelope: ended(), folded: None };
    let parked = Head { envelope: ended(), folded: Some(Folded { revision: u64::MAX, snapshot: Bytes::from_static(b"state") }) };
    let envelope_end = settled.encode().len();
    for head in [&settled, &parked] {
        let bytes = head.encode();
        assert_eq!(Head::decode(&bytes).as_ref(), Some(head));
        for length in (0..envelope_end).chain(envelope_end + 1..bytes.len().min(envelope_end + 8)) {
            assert_eq!(Head::decode(&bytes.slice(..length)), None, "cut to {length}");
        }
    }
    let length_beyond = [&settled.encode()[..1], &[0xFF; 40]].concat();
    assert_eq!(Head::decode(&Bytes::from(length_beyond)), None);
}

/// Bytes that outlive the process: these must stay as they are, or the version must change.
#[test]
fn the_formats_of_keys_and_values_are_fixed() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let scope = Scope { partition: "aws".to_owned(), account: "1".to_owned(), region: "r".to_owned() };
    let prefix = keys::machine_prefix(&scope, "M", 5);
    assert_eq!(hex(&prefix), "61777300310072004d000000000000000005");
    let entity = EntityId::new(PartitionId(0x0102), 3, 4);
    assert_eq!(hex(&keys::name(&prefix, "N")), format!("{}4e00", hex(&prefix)));
    let list = keys::list(&prefix, ListKind::Status(ExecutionStatus::Failed), Timestamp::from_millis(1), entity);
    assert_eq!(hex(&list), format!("{}03fffffffffffffffe01020000000000030000000000000004", hex(&prefix)));
    assert_eq!(hex(&keys::timer(Timestamp::from_millis(9), entity)), "0102000000000000000901020000000000030000000000000004");
    let envelope = "0102000000000000000001000000000000000280000000000000004e";
    assert_eq!(hex(&ended().encode()), envelope);
    let folded = Folded { revision: 5, snapshot: Bytes::from_static(&[0xAB, 0xCD]) };
    assert_eq!(hex(&Head { envelope: ended(), folded: None }.encode()), format!("010000001c{envelope}"));
    assert_eq!(hex(&Head { envelope: ended(), folded: Some(folded) }.encode()), format!("010000001c{envelope}0000000000000005abcd"));
    assert_eq!(keys::partition_of("arn:aws:states:us-east-1:123456789012:stateMachine:M", "N").0, 148);
}

#[test]
fn lists_sort_newest_first_and_pages_go_on_where_they_ended() {
    let scope = Scope { partition: "aws".to_owned(), account: "1".to_owned(), region: "r".to_owned() };
    let prefix = keys::machine_prefix(&scope, "M", 5);
    let at = |millis| keys::list(&prefix, ListKind::All, Timestamp::from_millis(millis), EntityId::new(PartitionId(1), 1, 1));
    assert!(at(2) < at(1));
    let suffix = keys::suffix_of_list_key(&at(2)).expect("a list key");
    let (from, to) = keys::list_range(&prefix, ListKind::All, Some(&suffix));
    assert!(at(2).as_ref() < from.as_slice() && from.as_slice() < at(1).as_ref() && at(1).as_ref() < to.as_slice());
}

#[test]
fn derived_ids_depend_on_every_part() {
    assert_eq!(derived_uuid(&[b"a", b"bc"]), derived_uuid(&[b"a", b"bc"]));
    assert_ne!(derived_uuid(&[b"a", b"bc"]), derived_uuid(&[b"ab", b"c"]));
    let id = derived_uuid(&[b"a"]);
    assert_eq!((id.len(), &id[14..15]), (36, "4"));
}
