//! Every record: its tag, and its fields in the order in which they are written.
//!
//! These lists are the format. Lines are added; what stands here never changes its number or order.

use super::DecodeError;
use super::field::Field;
use super::reader::Reader;
use super::writer::Writer;
use crate::event::{ErrorDetails, EventKind, ServiceResource, TaskPlan};
use crate::note::{Note, Origin, Parent};

/// Tags from here on are notes; below are events.
const FIRST_NOTE: u8 = 192;

pub(crate) fn is_note(tag: u8) -> bool {
    tag >= FIRST_NOTE
}

/// An enum whose variants have tags.
pub(crate) trait Tagged: Sized {
    /// In the order of the list.
    #[cfg(test)]
    const TAGS: &[u8];

    fn tag(&self) -> u8;

    fn write_fields<'r>(&'r self, writer: &mut Writer<'r>);

    /// The variant with this tag; `None` when there is none.
    fn read_fields(tag: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError>;
}

/// `tag Variant { fields }` or `tag Variant(content)` each: both directions from one line.
macro_rules! tagged {
    ($type:ident: $($tag:literal $variant:ident $({ $($field:ident),+ })? $(($content:ident))?,)+) => {
        impl Tagged for $type {
            #[cfg(test)]
            const TAGS: &[u8] = &[$($tag),+];

            fn tag(&self) -> u8 {
                match self {
                    $(Self::$variant { .. } => $tag,)+
                }
            }

            fn write_fields<'r>(&'r self, writer: &mut Writer<'r>) {
                match self {
                    $(Self::$variant $({ $($field),+ })? $(($content))? => {
                        $($($field.write(writer);)+)?
                        $($content.write(writer);)?
                    })+
                }
            }

            fn read_fields(tag: u8, reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
                Ok(Some(match tag {
                    $($tag => {
                        $($(let $field = Field::read(reader)?;)+)?
                        $(let $content = Field::read(reader)?;)?
                        Self::$variant $({ $($field),+ })? $(($content))?
                    })+
                    _ => return Ok(None),
                }))
            }
        }
    };
}

/// A struct that is part of a record, by its fields.
macro_rules! fields {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl Field for $type {
            fn write<'r>(&'r self, writer: &mut Writer<'r>) {
                let Self { $($field),+ } = self;
                $($field.write(writer);)+
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                $(let $field = Field::read(reader)?;)+
                Ok(Self { $($field),+ })
            }
        }
    };
}

pub(crate) use {fields, tagged};

tagged! { EventKind:
    1 ExecutionStarted { input, role_arn, deadline, start_at },
    2 ExecutionSucceeded { output },
    3 ExecutionFailed(details),
    4 ExecutionTimedOut(details),
    5 ExecutionAborted(details),

    10 StateEntered { state_type, name, input, due },
    11 StateExited { state_type, name, output, assigned, next },
    12 TaskStateAborted,
    13 WaitStateAborted,
    14 EvaluationFailed { details, location, state },

    20 LambdaFunctionScheduled { resource, input, timeout_seconds, credentials_role_arn, plan },
    21 LambdaFunctionStarted,
    22 LambdaFunctionSucceeded { output },
    23 LambdaFunctionFailed(details),
    24 LambdaFunctionTimedOut(details),
    25 LambdaFunctionScheduleFailed(details),
    26 LambdaFunctionStartFailed(details),

    30 TaskScheduled {
        resource, region, parameters, timeout_seconds, heartbeat_seconds, credentials_role_arn, completion, plan
    },
    31 TaskStarted { resource },
    32 TaskSubmitted { resource, output },
    33 TaskSucceeded { resource, output },
    34 TaskFailed { resource, details },
    35 TaskTimedOut { resource, details },
    36 TaskStartFailed { resource, details },
    37 TaskSubmitFailed { resource, details },

    40 ActivityScheduled { resource, input, timeout_seconds, heartbeat_seconds, plan },
    41 ActivityStarted { worker_name },
    42 ActivitySucceeded { output },
    43 ActivityFailed(details),
    44 ActivityTimedOut(details),
    45 ActivityScheduleFailed(details),

    50 ParallelStateStarted { first_frame, branches, input },
    51 ParallelStateSucceeded,
    52 ParallelStateFailed,
    53 ParallelStateAborted,

    60 MapStateStarted { length, items, concurrency },
    61 MapIterationStarted { name, index, iteration, input, start_at },
    62 MapIterationSucceeded { name, index },
    63 MapIterationFailed { name, index },
    64 MapIterationAborted { name, index },
    65 MapStateSucceeded,
    66 MapStateFailed,
    67 MapStateAborted,
}

tagged! { Note:
    192 Created(origin),
    193 RetryScheduled { frame, retrier, due, after },
    194 Delivered { scheduled },
    195 Settled { scheduled },
}

fields!(ErrorDetails { error, cause });
fields!(TaskPlan { nonce, deadline, heartbeat_ms });
fields!(ServiceResource { resource_type, resource });

impl Field for Origin {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        let Self {
            partition,
            region,
            account,
            machine_name,
            machine_incarnation,
            revision,
            execution_name,
            role_arn,
            trace_header,
            parent,
            express_id: _,
        } = self;
        partition.write(writer);
        region.write(writer);
        account.write(writer);
        machine_name.write(writer);
        machine_incarnation.write(writer);
        revision.write(writer);
        execution_name.write(writer);
        role_arn.write(writer);
        trace_header.write(writer);
        parent.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            partition: Field::read(reader)?,
            region: Field::read(reader)?,
            account: Field::read(reader)?,
            machine_name: Field::read(reader)?,
            machine_incarnation: Field::read(reader)?,
            revision: Field::read(reader)?,
            execution_name: Field::read(reader)?,
            role_arn: Field::read(reader)?,
            trace_header: Field::read(reader)?,
            parent: Field::read(reader)?,
            express_id: None,
        })
    }
}

fields!(Parent { token, form });
