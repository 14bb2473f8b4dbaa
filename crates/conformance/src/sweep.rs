//! A sweep: one case again and again, with a fault at every append in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use skald_engine::Compute;
use skald_interpreter::Dice;

use crate::disk::{DiskFaults, DiskPlan, Plant, Strike};
use crate::faults::{Fault, FaultKind};
use crate::script::CrashChanges;
use crate::simulation::{Run, Settings, Simulation};

/// How late an event may be after a fault, beside the run without one: more means that a wake-up was lost.
const LATE_MS_MAX: i64 = 2_000;
/// Histories longer than this are struck in fewer places: they are folded again at each start.
const LONG_EVENTS: usize = 2_000;
/// … by this factor.
const LONG_FACTOR: u64 = 30;
/// Double faults a case.
const DOUBLES: u64 = 12;

/// What many sweeps did together.
#[derive(Debug)]
pub struct Total {
    began: Instant,
    runs: AtomicU64,
}

impl Total {
    pub fn begin() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), runs: AtomicU64::new(0) })
    }

    pub fn add(&self, swept: Swept) {
        self.runs.fetch_add(swept.runs, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (runs, seconds) = (self.runs.load(Ordering::Relaxed), self.began.elapsed().as_secs_f64());
        write!(f, "{runs} runs in {seconds:.0} s: {:.0} a minute", runs as f64 / seconds * 60.0)
    }
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swept {
    pub runs: u64,
    pub appends: u64,
}

/// Strikes every append with every kind of fault, then a sample of pairs; the history must be that of the run without. Of
/// more than `struck_max` appends the first ones are struck, and a sample of the others.
///
/// # Errors
/// The first run that broke a promise or came to another history, with what is needed to run it again.
pub fn everywhere(simulation: &Simulation, seed: u64, struck_max: u64) -> Result<Swept> {
    let mut dice = Dice::seeded(seed);
    let mut swept = Swept::default();
    for settings in settings(simulation, &mut dice) {
        let calm = Simulation { settings, faults: Vec::new(), ..simulation.clone() };
        let reference = calm.run()?;
        swept.runs += 1;
        swept.appends = reference.appends;
        if !reference.violations.is_empty() {
            bail!("without a fault, under {:?}:\n  {}", calm.settings, reference.violations.join("\n  "));
        }
        let is_long = reference.journals.iter().any(|(_, lines)| lines.len() > LONG_EVENTS);
        let struck_max = if is_long { struck_max.div_ceil(LONG_FACTOR) } else { struck_max };
        for fault in faults(reference.appends, struck_max, &mut dice) {
            swept.runs += 1;
            check(&calm, &reference, &fault)?;
        }
    }
    Ok(swept)
}

/// Runs it on the embedded store, with the disk struck at up to `struck_max` of its operations, each in every way, and at
/// some pairs; the history must be that of the run in memory.
///
/// # Errors
/// As [`everywhere`].
pub fn disk(simulation: &Simulation, seed: u64, struck_max: u64) -> Result<Swept> {
    let mut dice = Dice::seeded(seed);
    let mut swept = Swept::default();
    let hasty = Settings { seed: dice.roll(), park_after_ms: 20, ..simulation.settings.clone() };
    let calm = Simulation { settings: hasty, faults: Vec::new(), ..simulation.clone() };
    let reference = calm.run()?;
    let unharmed = on_disk(&calm, DiskFaults { dice: dice.roll(), ..DiskFaults::default() });
    let whole = compare(&unharmed, &reference)?;
    let again = unharmed.run()?;
    if (whole.operations, &whole.journals, &whole.replies) != (again.operations, &again.journals, &again.replies) {
        bail!("the same seed came to another run: {} operations, and {}", whole.operations, again.operations);
    }
    (swept.runs, swept.appends) = (3, whole.appends);
    for strikes in strikes(&whole, struck_max, &mut dice) {
        swept.runs += 1;
        compare(&on_disk(&calm, DiskFaults { dice: dice.roll(), strikes, planted: None }), &reference)?;
    }
    Ok(swept)
}

/// Plants a fault of the disk at some of its crashes: whether it was noticed, or did no harm, in each run.
///
/// # Errors
/// The machine is refused.
pub fn plant(simulation: &Simulation, plant: Plant, seed: u64) -> Result<Noticed> {
    let mut dice = Dice::seeded(seed);
    let reference = simulation.run()?;
    let whole = on_disk(simulation, DiskFaults::default()).run()?;
    let strikes = vec![(whole.operations_open + 1 + dice.roll() % (whole.operations - whole.operations_open), Strike::Crash)];
    let faults = DiskFaults { dice: dice.roll(), strikes, planted: Some(plant) };
    let struck = on_disk(simulation, faults);
    let run = struck.run()?;
    if !run.violations.is_empty() {
        return Ok(Noticed::Yes(run.violations.join("; ")));
    }
    Ok(differs(&struck, &reference, &run).map_or_else(|_| Noticed::Not, |()| Noticed::Harmless))
}

/// What came of a planted fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Noticed {
    /// The store refused to open, or a promise was seen broken.
    Yes(String),
    /// Everything went as without it.
    Harmless,
    /// Something else came out, and nobody said so.
    Not,
}

fn on_disk(calm: &Simulation, faults: DiskFaults) -> Simulation {
    Simulation { disk: DiskPlan::Embedded(faults), ..calm.clone() }
}

/// Operations of the opening are all alike, and many: one of them is among those that are struck.
fn strikes(whole: &Run, struck_max: u64, dice: &mut Dice) -> Vec<Vec<(u64, Strike)>> {
    let (open, operations) = (whole.operations_open, whole.operations - whole.operations_open);
    let mut each: Vec<u64> = match operations <= struck_max {
        true => (1..=operations).map(|at| open + at).collect(),
        false => (0..struck_max).map(|_| open + 1 + dice.roll() % operations).collect(),
    };
    each.push(1 + dice.roll() % open);
    let mut plans: Vec<_> = each.iter().flat_map(|at| Strike::ALL.map(|strike| vec![(*at, strike)])).collect();
    plans.extend(each.iter().map(|at| vec![(*at, Strike::Crash), (at + 1 + dice.roll() % 12, Strike::Crash)]));
    plans
}

/// The settings under which a case is swept: as it is written; and parking at once, with reads, flushes and decisions that
/// take their time.
fn settings(simulation: &Simulation, dice: &mut Dice) -> Vec<Settings> {
    let calm = simulation.settings.clone();
    let owners = 1 + (dice.roll() % 2) as usize;
    let hasty = Settings {
        seed: dice.roll(),
        owners,
        park_after_ms: 20,
        read_ms: dice.roll() % 3,
        flush_ms: 1 + dice.roll() % 8,
        compute: Compute::Away,
        ..calm.clone()
    };
    vec![calm, hasty]
}

fn faults(appends: u64, struck_max: u64, dice: &mut Dice) -> Vec<Vec<Fault>> {
    let struck = |append: &u64| appends <= struck_max || *append <= struck_max / 2;
    let mut plans: Vec<Vec<Fault>> = Vec::new();
    let mut numbers: Vec<u64> = (1..=appends).filter(struck).collect();
    if appends > struck_max {
        numbers.extend((0..struck_max / 2).map(|_| 1 + dice.roll() % appends));
    }
    for append in numbers {
        plans.extend(FaultKind::ALL.map(|kind| vec![Fault { append, kind }]));
    }
    for _ in 0..DOUBLES {
        let first = 1 + dice.roll() % appends;
        let second = first + 1 + dice.roll() % 8;
        let mut kind = || FaultKind::ALL[(dice.roll() % FaultKind::ALL.len() as u64) as usize];
        let (one, other) = (kind(), kind());
        // An owner that was deposed and is told "unknown" instead of "fenced" reads again and acts: it has no lease yet to
        // ask. Leases come with several nodes; a store of one process cannot be taken over.
        let hides_the_fence = match other {
            FaultKind::UnknownWritten | FaultKind::UnknownLost | FaultKind::Conflict => one == FaultKind::Takeover,
            FaultKind::CrashBefore | FaultKind::CrashAfter | FaultKind::Full { .. } | FaultKind::Takeover => false,
        };
        if !hides_the_fence {
            plans.push(vec![Fault { append: first, kind: one }, Fault { append: second, kind: other }]);
        }
    }
    plans
}

fn check(calm: &Simulation, reference: &Run, faults: &[Fault]) -> Result<()> {
    compare(&Simulation { faults: faults.to_vec(), ..calm.clone() }, reference).map(|_| ())
}

/// Runs `calm`, which must come to what `reference` came to.
fn compare(calm: &Simulation, reference: &Run) -> Result<Run> {
    let run = calm.run()?;
    differs(calm, reference, &run).map(|()| run)
}

fn differs(calm: &Simulation, reference: &Run, run: &Run) -> Result<()> {
    let context = || {
        let lines: Vec<String> = run.journals.iter().flat_map(|(_, lines)| lines).map(|(line, at)| format!("{at:>8} {line}")).collect();
        let (faults, disk) = (&calm.faults, &calm.disk);
        format!("faults {faults:?}, disk {disk:?}, under {:?}\nhistory:\n  {}", calm.settings, lines.join("\n  "))
    };
    if !run.violations.is_empty() {
        bail!("broken promises:\n  {}\n{}", run.violations.join("\n  "), context());
    }
    for ((arn, expected), (_, came)) in reference.journals.iter().zip(&run.journals) {
        if calm.script.crash_changes == CrashChanges::Events {
            let end = |lines: &[(String, i64)]| lines.last().map(|(line, _)| without_ids(line).to_owned());
            if end(expected) != end(came) {
                bail!("{arn}: another end: {:?}, and {:?} without the fault\n{}", end(came), end(expected), context());
            }
            continue;
        }
        let place = expected.iter().zip(came).take_while(|((expected, _), (came, _))| expected == came).count();
        if place < expected.len() || place < came.len() {
            let at = |lines: &[(String, i64)]| lines.get(place).map_or("(nothing)", |(line, _)| line).to_owned();
            bail!("{arn}: another history: expected\n  {}\ncame\n  {}\n{}", at(expected), at(came), context());
        }
        let late = expected.iter().zip(came).find(|((_, expected), (_, came))| came - expected > LATE_MS_MAX);
        if calm.script.crash_changes == CrashChanges::Times {
            continue;
        }
        if let Some(((line, expected), (_, came))) = late {
            bail!("{arn}: a wake-up was lost: `{line}` at {came} ms, and without the fault at {expected} ms\n{}", context());
        }
    }
    if reference.journals.len() != run.journals.len() {
        bail!("{} executions, and {} without the fault\n{}", run.journals.len(), reference.journals.len(), context());
    }
    Ok(())
}

/// What an event says, wherever it stands.
fn without_ids(line: &str) -> &str {
    line.split_once(' ').map_or(line, |(_, rest)| rest)
}
