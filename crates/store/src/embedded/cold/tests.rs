use std::sync::mpsc::channel;
use std::time::Duration;

use super::*;
use crate::embedded::marker::Facts;

#[test]
fn writing_and_point_reads_do_not_wait_for_the_tree_to_write_its_manifest() {
    let folder = tempfile::tempdir().expect("a folder");
    let cold = Cold::open(folder.path().join("tree"), 1 << 20).expect("an empty tree");
    let row = |value: &'static str| Bytes::from_static(value.as_bytes());
    cold.put_row(Table::Names, b"flushed", row("1"), FIRST_SEQUENCE);
    cold.publish(FIRST_SEQUENCE);
    cold.seal(&Marker { sequence: FIRST_SEQUENCE, floor: FIRST_SEQUENCE, facts: Facts::default() });
    cold.flush().expect("flushed");
    // As a thread that changes the tree does for as long as its files take.
    let held = cold.tree.get_version_history_lock();
    let (done, read) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let before = cold.has_row(Table::Names, b"new");
            cold.put_row(Table::Names, b"new", row("2"), FIRST_SEQUENCE + 1);
            cold.delete_row(Table::Names, b"gone", FIRST_SEQUENCE + 1);
            cold.publish(FIRST_SEQUENCE + 1);
            let rows = [&b"flushed"[..], b"new", b"gone"].map(|key| cold.row(Table::Names, key));
            let _ = done.send((before, rows, cold.memtable_bytes() > 0));
        });
        let read = read.recv_timeout(Duration::from_secs(30));
        drop(held);
        assert_eq!(read, Ok((Ok(false), [Ok(Some(row("1"))), Ok(Some(row("2"))), Ok(None)], true)));
    });
}
