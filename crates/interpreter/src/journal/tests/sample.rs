//! Records made up from dice.

use std::sync::Arc;

use skald_asl::Timestamp;
use skald_query::Payload;

use super::super::layout::Tagged;
use crate::context::Dice;
use crate::event::{Completion, ErrorDetails, Event, EventKind, FrameId, ServiceResource, StateType, TaskPlan};
use crate::note::{Note, Origin, Parent, ReportForm};
use crate::record::Record;

/// Up to 40 records of any kind, in no order that makes sense.
pub(super) fn records(dice: &mut Dice) -> Vec<Record> {
    let count = dice.roll() % 41;
    let mut source = Source::new(dice);
    (0..count).map(|_| source.record()).collect()
}

/// Where values come from.
pub(crate) struct Source<'d> {
    dice: &'d mut Dice,
    /// Those made up so far: some are taken again.
    payloads: Vec<Payload>,
}

impl<'d> Source<'d> {
    pub(crate) fn new(dice: &'d mut Dice) -> Self {
        Self { dice, payloads: Vec::new() }
    }
}

impl Source<'_> {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.dice.roll() % end as u64).expect("smaller than a usize")
    }

    pub(crate) fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())].clone()
    }

    pub(crate) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.dice.roll().is_multiple_of(2).then(|| make(self))
    }

    pub(crate) fn number(&mut self) -> u64 {
        let random = self.dice.roll();
        self.one_of(&[0, 1, 127, 128, 16_383, 16_384, u64::MAX, random, random % 1_000])
    }

    pub(crate) fn small_number(&mut self) -> u32 {
        let random = self.dice.roll() as u32;
        self.one_of(&[0, 1, 127, 128, u32::MAX, random])
    }

    pub(crate) fn instant(&mut self) -> Timestamp {
        let random = self.dice.roll().cast_signed();
        Timestamp::from_millis(self.one_of(&[0, -1, 1_700_000_000_123, 1_700_000_000_124, i64::MIN, i64::MAX, random]))
    }

    pub(crate) fn frame(&mut self) -> FrameId {
        FrameId(self.small_number())
    }

    pub(crate) fn text(&mut self) -> String {
        let length = self.one_of(&[0, 1, 7, 8, 9, 63, 64, 300]);
        (0..length).map(|_| self.one_of(&['a', 'b', '"', '\n', 'é', '😀'])).collect()
    }

    pub(crate) fn name(&mut self) -> Arc<str> {
        let random = self.text();
        Arc::from(self.one_of(&["Hold", "Fetch order", "", "Straße", &random]))
    }

    pub(crate) fn payload(&mut self) -> Payload {
        if !self.payloads.is_empty() && self.dice.roll().is_multiple_of(2) {
            let payloads = std::mem::take(&mut self.payloads);
            let again = self.one_of(&payloads);
            self.payloads = payloads;
            // Sometimes the same allocation, sometimes the same text in another.
            return if self.dice.roll().is_multiple_of(2) { again } else { Payload::trusted(again.text()) };
        }
        let payload = Payload::trusted(self.text());
        self.payloads.push(payload.clone());
        payload
    }

    fn error(&mut self) -> ErrorDetails {
        ErrorDetails { error: self.maybe(Self::text), cause: self.maybe(Self::text) }
    }

    pub(crate) fn resource(&mut self) -> ServiceResource {
        ServiceResource { resource_type: self.name(), resource: self.name() }
    }

    pub(crate) fn plan(&mut self) -> TaskPlan {
        TaskPlan { nonce: self.dice.roll(), deadline: self.maybe(Self::instant), heartbeat_ms: self.maybe(Self::number) }
    }

    pub(crate) fn state_type(&mut self) -> StateType {
        use StateType::{Choice, Fail, Map, Parallel, Pass, Succeed, Task, Wait};
        self.one_of(&[Pass, Task, Choice, Wait, Succeed, Fail, Parallel, Map])
    }

    fn record(&mut self) -> Record {
        if self.below(8) == 0 {
            return Record::Note(self.note());
        }
        let tag = self.one_of(EventKind::TAGS);
        let (id, previous, at, frame) = (self.number(), self.number(), self.instant(), self.frame());
        Record::Event(Event { id, previous, at, frame, kind: self.kind(tag) })
    }

    fn note(&mut self) -> Note {
        match self.below(4) {
            0 => Note::Created(Arc::new(Origin {
                partition: self.text(),
                region: self.text(),
                account: self.text(),
                machine_name: self.text(),
                machine_incarnation: self.number(),
                revision: self.number(),
                execution_name: self.text(),
                role_arn: self.text(),
                trace_header: self.maybe(Self::text),
                parent: self.maybe(Self::parent),
                express_id: None,
            })),
            1 => Note::RetryScheduled { frame: self.frame(), retrier: self.small_number(), due: self.instant(), after: self.number() },
            2 => Note::Delivered { scheduled: self.number() },
            _ => Note::Settled { scheduled: self.number() },
        }
    }

    pub(crate) fn parent(&mut self) -> Parent {
        Parent { token: self.text(), form: self.one_of(&[ReportForm::Text, ReportForm::Json]) }
    }

    fn kind(&mut self, tag: u8) -> EventKind {
        let kind = match tag {
            1 => EventKind::ExecutionStarted {
                input: self.payload(),
                role_arn: self.text(),
                deadline: self.maybe(Self::instant),
                start_at: self.name(),
            },
            2 => EventKind::ExecutionSucceeded { output: self.payload() },
            3 => EventKind::ExecutionFailed(self.error()),
            4 => EventKind::ExecutionTimedOut(self.error()),
            5 => EventKind::ExecutionAborted(self.error()),
            10 => EventKind::StateEntered {
                state_type: self.state_type(),
                name: self.name(),
                input: self.payload(),
                due: self.maybe(Self::instant),
            },
            11 => EventKind::StateExited {
                state_type: self.state_type(),
                name: self.name(),
                output: self.payload(),
                assigned: (0..self.below(4)).map(|_| (self.name(), self.payload())).collect(),
                next: self.maybe(Self::name),
            },
            14 => EventKind::EvaluationFailed { details: self.error(), location: self.maybe(Self::text), state: self.name() },
            12 => EventKind::TaskStateAborted,
            13 => EventKind::WaitStateAborted,
            20 => EventKind::LambdaFunctionScheduled {
                resource: self.text(),
                input: self.payload(),
                timeout_seconds: self.maybe(Self::number),
                credentials_role_arn: self.maybe(Self::text),
                plan: self.plan(),
            },
            21 => EventKind::LambdaFunctionStarted,
            22 => EventKind::LambdaFunctionSucceeded { output: self.payload() },
            23 => EventKind::LambdaFunctionFailed(self.error()),
            24 => EventKind::LambdaFunctionTimedOut(self.error()),
            25 => EventKind::LambdaFunctionScheduleFailed(self.error()),
            26 => EventKind::LambdaFunctionStartFailed(self.error()),
            30 => EventKind::TaskScheduled {
                resource: self.resource(),
                region: self.text(),
                parameters: self.payload(),
                timeout_seconds: self.maybe(Self::number),
                heartbeat_seconds: self.maybe(Self::number),
                credentials_role_arn: self.maybe(Self::text),
                completion: self.one_of(&[Completion::Response, Completion::Token, Completion::Job]),
                plan: self.plan(),
            },
            31 => EventKind::TaskStarted { resource: self.resource() },
            32 => EventKind::TaskSubmitted { resource: self.resource(), output: self.payload() },
            33 => EventKind::TaskSucceeded { resource: self.resource(), output: self.payload() },
            34 => EventKind::TaskFailed { resource: self.resource(), details: self.error() },
            35 => EventKind::TaskTimedOut { resource: self.resource(), details: self.error() },
            36 => EventKind::TaskStartFailed { resource: self.resource(), details: self.error() },
            37 => EventKind::TaskSubmitFailed { resource: self.resource(), details: self.error() },
            40 => EventKind::ActivityScheduled {
                resource: self.text(),
                input: self.payload(),
                timeout_seconds: self.maybe(Self::number),
                heartbeat_seconds: self.maybe(Self::number),
                plan: self.plan(),
            },
            41 => EventKind::ActivityStarted { worker_name: self.maybe(Self::text) },
            42 => EventKind::ActivitySucceeded { output: self.payload() },
            43 => EventKind::ActivityFailed(self.error()),
            44 => EventKind::ActivityTimedOut(self.error()),
            45 => EventKind::ActivityScheduleFailed(self.error()),
            50 => EventKind::ParallelStateStarted {
                first_frame: self.frame(),
                branches: (0..self.below(4)).map(|_| self.name()).collect(),
                input: self.payload(),
            },
            51 => EventKind::ParallelStateSucceeded,
            52 => EventKind::ParallelStateFailed,
            53 => EventKind::ParallelStateAborted,
            60 => EventKind::MapStateStarted { length: self.small_number(), items: self.payload(), concurrency: self.small_number() },
            61 => EventKind::MapIterationStarted {
                name: self.name(),
                index: self.small_number(),
                iteration: self.frame(),
                input: self.payload(),
                start_at: self.name(),
            },
            62 => EventKind::MapIterationSucceeded { name: self.name(), index: self.small_number() },
            63 => EventKind::MapIterationFailed { name: self.name(), index: self.small_number() },
            64 => EventKind::MapIterationAborted { name: self.name(), index: self.small_number() },
            65 => EventKind::MapStateSucceeded,
            66 => EventKind::MapStateFailed,
            67 => EventKind::MapStateAborted,
            _ => panic!("make up an event with the new tag {tag}"),
        };
        assert_eq!(kind.tag(), tag, "each tag is tried");
        kind
    }
}
