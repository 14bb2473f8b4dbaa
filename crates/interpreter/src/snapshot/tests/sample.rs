//! Executions made up from dice: every kind of part, in no order that makes sense.

use super::*;
use crate::event::Completion;
use crate::execution::{Identity, Owed, Status};
use crate::frame::{Doing, FanOut, Frame, Iterations, Phase, RunningTask, Step, Target, Visit};
use crate::note::Origin;

pub(super) fn execution(source: &mut Source<'_>, definition: &Arc<Definition>) -> Execution {
    Execution {
        definition: Arc::clone(definition),
        identity: source.maybe(identity).map(Arc::new),
        status: status(source),
        position: source.number(),
        last_event: source.number(),
        last_time: source.instant(),
        next_frame: source.small_number(),
        frames: (0..source.below(6)).map(|_| (source.frame(), frame(source))).collect(),
        deadline: source.maybe(Source::instant),
        owed: (0..source.below(3)).map(|_| (source.number(), owed(source))).collect(),
    }
}

fn identity(source: &mut Source<'_>) -> Identity {
    let origin = Origin {
        partition: source.text(),
        region: source.text(),
        account: source.text(),
        machine_name: source.text(),
        machine_incarnation: source.number(),
        revision: source.number(),
        execution_name: source.text(),
        role_arn: source.text(),
        trace_header: source.maybe(Source::text),
        parent: source.maybe(Source::parent),
        express_id: None,
    };
    Identity {
        execution_arn: origin.execution_arn(),
        machine_arn: origin.machine_arn(),
        origin: Arc::new(origin),
        input: source.payload(),
        started_at: source.instant(),
    }
}

fn status(source: &mut Source<'_>) -> Status {
    let tag = source.one_of(Status::TAGS);
    let status = match tag {
        1 => Status::Unborn,
        2 => Status::Running,
        3 => Status::Succeeded { output: source.payload(), at: source.instant() },
        4 => Status::Failed { error: source.maybe(Source::text), cause: source.maybe(Source::text), at: source.instant() },
        5 => Status::TimedOut { at: source.instant() },
        6 => Status::Aborted { error: source.maybe(Source::text), cause: source.maybe(Source::text), at: source.instant() },
        _ => panic!("make up a status with the new tag {tag}"),
    };
    assert_eq!(status.tag(), tag, "each tag is tried");
    status
}

fn frame(source: &mut Source<'_>) -> Frame {
    Frame {
        parent: source.maybe(Source::frame),
        index: source.small_number(),
        last: source.number(),
        step: step(source),
        variables: (0..source.below(4)).map(|_| (source.name(), source.payload())).collect(),
    }
}

fn step(source: &mut Source<'_>) -> Step {
    let tag = source.one_of(Step::TAGS);
    let step = match tag {
        1 => Step::Entering { state: source.name(), input: source.payload() },
        2 => Step::Inside(Box::new(visit(source))),
        3 => Step::Ended { output: source.payload() },
        _ => panic!("make up a step with the new tag {tag}"),
    };
    assert_eq!(step.tag(), tag, "each tag is tried");
    step
}

fn visit(source: &mut Source<'_>) -> Visit {
    Visit {
        state: source.name(),
        state_type: source.state_type(),
        before: source.number(),
        entered: source.number(),
        entered_at: source.instant(),
        input: source.payload(),
        attempts: (0..source.below(4)).map(|_| source.number()).collect(),
        doing: doing(source),
    }
}

fn doing(source: &mut Source<'_>) -> Doing {
    let tag = source.one_of(Doing::TAGS);
    let doing = match tag {
        1 => Doing::Working,
        2 => Doing::Waiting { due: source.instant() },
        3 => Doing::BackingOff { due: source.instant() },
        4 => Doing::Task(Box::new(task(source))),
        5 => Doing::FannedOut(Box::new(fan_out(source))),
        _ => panic!("make up a doing with the new tag {tag}"),
    };
    assert_eq!(doing.tag(), tag, "each tag is tried");
    doing
}

fn task(source: &mut Source<'_>) -> RunningTask {
    RunningTask {
        scheduled: source.number(),
        scheduled_at: source.instant(),
        target: target(source),
        parameters: source.payload(),
        credentials_role_arn: source.maybe(Source::text),
        plan: source.plan(),
        phase: phase(source),
    }
}

fn target(source: &mut Source<'_>) -> Target {
    let tag = source.one_of(Target::TAGS);
    let target = match tag {
        1 => Target::Lambda { arn: source.text() },
        2 => Target::Service {
            resource: source.resource(),
            completion: source.one_of(&[Completion::Response, Completion::Token, Completion::Job]),
        },
        3 => Target::Activity { arn: source.text() },
        _ => panic!("make up a target with the new tag {tag}"),
    };
    assert_eq!(target.tag(), tag, "each tag is tried");
    target
}

fn phase(source: &mut Source<'_>) -> Phase {
    let tag = source.one_of(Phase::TAGS);
    let phase = match tag {
        1 => Phase::Scheduled,
        2 => Phase::Started,
        3 => Phase::Submitted { output: source.payload() },
        4 => Phase::Delivered,
        _ => panic!("make up a phase with the new tag {tag}"),
    };
    assert_eq!(phase.tag(), tag, "each tag is tried");
    phase
}

fn fan_out(source: &mut Source<'_>) -> FanOut {
    FanOut {
        outputs: (0..source.below(5)).map(|_| source.maybe(Source::payload)).collect(),
        unfinished: source.small_number(),
        children: (0..source.below(4)).map(|_| source.frame()).collect(),
        iterations: source.maybe(|source| Iterations {
            items: source.payload(),
            concurrency: source.small_number(),
            next_index: source.small_number(),
            next_offset: source.number(),
        }),
    }
}

fn owed(source: &mut Source<'_>) -> Owed {
    if source.below(3) == 0 {
        return Owed::Report;
    }
    Owed::Cancel {
        state: source.name(),
        resource: source.resource(),
        submitted: source.payload(),
        credentials_role_arn: source.maybe(Source::text),
    }
}
