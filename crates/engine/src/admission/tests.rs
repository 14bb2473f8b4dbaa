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
fn a_machine_has_its_share_of_a_crowd_only() {
    let (busy, other, third, all) = (Pace::default(), Pace::default(), Pace::default(), Arc::default());
    let start = |pace: &Pace| pace.wait(Standing::Client, &all, 1_000);
    let many: Vec<_> = (0..600).map_while(|_| start(&busy)).collect();
    assert_eq!(many.len(), 250, "alone it has all places until they are a crowd");
    let share: Vec<_> = (0..600).map_while(|_| start(&other)).collect();
    assert_eq!(share.len(), 120);
    assert!(busy.wait(Standing::Child, &all, 1_000).is_some());
    let paces: Vec<_> = (0..10).map(|_| Pace::default()).collect();
    let rest: Vec<_> = (0..2_000).filter_map(|at| start(&paces[at % 10])).collect();
    assert_eq!(many.len() + share.len() + rest.len(), 1_000);
    assert!(start(&third).is_none(), "all places are taken");
    drop((many, share, rest));
    assert_eq!(all.load(Ordering::Relaxed), 0);
    assert!(start(&busy).is_some());
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
