//! One machine's clients flood the server with starts; another machine starts an execution now and then.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::bar::FAIRNESS;
use crate::client::Client;
use crate::http::start_request;
use crate::lane::Tally;
use crate::latency::Latencies;
use crate::load::{self, Answer, Lane, Lanes, Turn};
use crate::meter::Done;
use crate::report::{Report, Row};
use crate::workload::{Ground, ORDER, chain_definition, meter};

const FLOODING: usize = 4_000;

/// Between two starts of the other machine.
const NOW_AND_THEN: Duration = Duration::from_millis(20);

pub fn measure(report: &mut Report, ground: &Ground) -> anyhow::Result<()> {
    let subject = ground.start()?;
    let server = &subject.server;
    let mut client = server.client()?;
    let flooding = client.create_machine("Flood", &chain_definition(), "STANDARD")?;
    let occasional = client.create_machine("Occasional", &chain_definition(), "STANDARD")?;
    start_now_and_then(&mut client, &occasional, Duration::from_secs(1))?;
    let alone = start_now_and_then(&mut client, &occasional, Duration::from_secs(2))?;

    let mut row = Row::new(FAIRNESS, FLOODING);
    let meter = meter(server);
    let before = meter.read()?;
    let has_begun = Arc::new(AtomicBool::new(false));
    let beside = std::thread::spawn({
        let (mut client, occasional, duration) = (server.client()?, occasional.clone(), ground.duration);
        let has_begun = Arc::clone(&has_begun);
        move || {
            while !has_begun.load(Ordering::Relaxed) {
                std::thread::sleep(NOW_AND_THEN);
            }
            start_now_and_then(&mut client, &occasional, duration)
        }
    });
    let flooded = flood(&server.address, &flooding, ground.duration, &has_begun);
    // Whatever came of it: nobody is waited for in vain.
    has_begun.store(true, Ordering::Relaxed);
    let (flood, ran) = flooded?;
    let beside = beside.join().map_err(|_| anyhow::anyhow!("the thread of the other machine panicked"))??;
    let started = flood.started.count() as u64;
    meter.account(&mut row, &before, Done { operations: started + flood.throttled, received_bytes: ran.received_bytes })?;
    row.set("per_second", started as f64 / ran.elapsed.as_secs_f64());
    row.set("throttled_per_second", flood.throttled as f64 / ran.elapsed.as_secs_f64());
    row.set("flood_p99_ms", flood.started.percentile(0.99).as_secs_f64() * 1e3);
    row.set_latencies(&beside.answered);
    row.set("throttled", beside.throttled as f64);
    row.set("alone_p99_ms", alone.answered.percentile(0.99).as_secs_f64() * 1e3);
    report.add(row);
    subject.server.stop()
}

/// The other machine's starts.
#[derive(Default)]
struct Occasional {
    answered: Latencies,
    throttled: u64,
}

fn start_now_and_then(client: &mut Client, machine: &str, duration: Duration) -> anyhow::Result<Occasional> {
    let (began, mut occasional) = (Instant::now(), Occasional::default());
    let start = json!({ "stateMachineArn": machine, "input": ORDER });
    while began.elapsed() < duration {
        let sent = Instant::now();
        match client.call("StartExecution", &start) {
            Ok(_) => occasional.answered.add(sent.elapsed()),
            Err(error) if error.to_string().contains(THROTTLED) => occasional.throttled += 1,
            Err(error) => return Err(error),
        }
        std::thread::sleep(NOW_AND_THEN);
    }
    Ok(occasional)
}

const THROTTLED: &str = "ThrottlingException";

/// What became of the flood.
struct Flood {
    started: Latencies,
    throttled: u64,
}

fn flood(address: &str, machine: &str, duration: Duration, has_begun: &Arc<AtomicBool>) -> anyhow::Result<(Flood, load::Ran)> {
    let (start, tally, throttled) = (Rc::<[u8]>::from(start_request(address, machine, ORDER)), Tally::default(), Rc::new(Cell::new(0)));
    let until = Rc::new(OnceCell::new());
    let lane = || Flooding {
        start: Rc::clone(&start),
        duration,
        until: Rc::clone(&until),
        has_begun: Arc::clone(has_begun),
        tally: Rc::clone(&tally),
        throttled: Rc::clone(&throttled),
        sent: None,
    };
    let lanes = (0..FLOODING).map(|_| Box::new(lane()) as Box<dyn Lane>).collect();
    let ran = load::run(address, lanes, Lanes::new())?;
    Ok((Flood { started: RefCell::take(&tally), throttled: throttled.get() }, ran))
}

/// Starts one execution after the other, and minds no refusal.
struct Flooding {
    start: Rc<[u8]>,
    duration: Duration,
    /// From when all are connected on.
    until: Rc<OnceCell<Instant>>,
    has_begun: Arc<AtomicBool>,
    tally: Tally,
    throttled: Rc<Cell<u64>>,
    sent: Option<Instant>,
}

impl Lane for Flooding {
    fn turn(&mut self, now: Instant, answer: Option<Answer<'_>>, request: &mut Vec<u8>) -> anyhow::Result<Turn> {
        if let (Some(answer), Some(sent)) = (answer, self.sent) {
            let text = || String::from_utf8_lossy(answer.body);
            match answer.status {
                200 => self.tally.borrow_mut().add(now - sent),
                _ if text().contains(THROTTLED) => self.throttled.set(self.throttled.get() + 1),
                status => anyhow::bail!("{status} {}", text()),
            }
        }
        let until = *self.until.get_or_init(|| {
            self.has_begun.store(true, Ordering::Relaxed);
            now + self.duration
        });
        if now >= until {
            return Ok(Turn::Done);
        }
        request.extend_from_slice(&self.start);
        self.sent = Some(now);
        Ok(Turn::Send)
    }
}
