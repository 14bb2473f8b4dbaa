use super::*;

#[test]
fn a_pace_gives_a_seconds_worth_at_once_and_then_its_rate() {
    let pace = Pace::default();
    let taken = |wanted: usize, at_ms: i64| (0..wanted).filter(|_| pace.take(10, Timestamp::from_millis(at_ms))).count();
    assert_eq!(taken(100, 0), 10);
    assert_eq!(taken(100, 50), 0);
    assert_eq!(taken(100, 100), 1);
    assert_eq!(taken(100, 650), 5);
    assert_eq!(taken(100, 100_000), 10);
    assert_eq!(taken(100, 50_000), 0, "a clock that steps backward gives nothing");
    assert_eq!(taken(100, 100_300), 3);
}

#[test]
fn a_machine_has_its_share_of_a_crowded_inbox_only() {
    let (busy, other) = (Pace::default(), Pace::default());
    let many: Vec<_> = (0..600).map_while(|_| busy.wait(4_000, 4_096)).collect();
    assert_eq!(many.len(), 600, "there is room");
    assert!(busy.wait(3_000, 4_096).is_none());
    assert!(other.wait(3_000, 4_096).is_some());
    drop(many);
    let share: Vec<_> = (0..4_096).map_while(|_| busy.wait(3_000, 4_096)).collect();
    assert_eq!(share.len(), 4_096 * 12 / 100);
}

#[test]
fn what_is_dropped_weighs_nothing() {
    let live = LiveBytes::default();
    let (mut one, other) = (live.weigh(1_000), live.weigh(0));
    assert_eq!(live.bytes(), 2 * EXECUTION_BYTES + 1_000);
    one.set(10);
    assert_eq!(live.bytes(), 2 * EXECUTION_BYTES + 10);
    assert!(live.is_pressing(2 * EXECUTION_BYTES) && !live.is_pressing(200 * EXECUTION_BYTES));
    drop((one, other));
    assert_eq!(live.bytes(), 0);
}
