//! Every part of a folded execution, and its fields in the order in which they are written.
//!
//! These lists are the format of one fold version: whoever changes them raises it.

use std::sync::Arc;

use crate::execution::{Identity, Owed, Status};
use crate::frame::{Doing, FanOut, Frame, Iterations, Phase, RunningTask, Step, Target, Visit};
use crate::journal::DecodeError;
use crate::journal::field::Field;
use crate::journal::layout::{Tagged, fields, tagged};
use crate::journal::reader::Reader;
use crate::journal::writer::Writer;
use crate::note::Origin;

tagged! { Status:
    1 Unborn,
    2 Running,
    3 Succeeded { output, at },
    4 Failed { error, cause, at },
    5 TimedOut { at },
    6 Aborted { error, cause, at },
}

tagged! { Step:
    1 Entering { state, input },
    2 Inside(visit),
    3 Ended { output },
}

tagged! { Doing:
    1 Working,
    2 Waiting { due },
    3 BackingOff { due },
    4 Task(task),
    5 FannedOut(fan_out),
}

tagged! { Target:
    1 Lambda { arn },
    2 Service { resource, completion },
    3 Activity { arn },
}

tagged! { Phase:
    1 Scheduled,
    2 Started,
    3 Submitted { output },
    4 Delivered,
}

tagged! { Owed:
    1 Cancel { state, resource, submitted, credentials_role_arn },
    2 Report,
}

fields!(Frame { parent, index, last, step, variables });
fields!(Visit { state, state_type, before, entered, entered_at, input, attempts, doing });
fields!(RunningTask { scheduled, scheduled_at, target, parameters, credentials_role_arn, plan, phase });
fields!(FanOut { outputs, unfinished, children, iterations });
fields!(Iterations { items, concurrency, next_index, next_offset });

/// Its ARNs follow from its origin.
impl Field for Identity {
    fn write<'r>(&'r self, writer: &mut Writer<'r>) {
        let Self { origin, execution_arn: _, machine_arn: _, input, started_at } = self;
        origin.write(writer);
        input.write(writer);
        started_at.write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let origin = Arc::<Origin>::read(reader)?;
        Ok(Self {
            execution_arn: origin.execution_arn(),
            machine_arn: origin.machine_arn(),
            origin,
            input: Field::read(reader)?,
            started_at: Field::read(reader)?,
        })
    }
}

/// An enum as a field: its tag and what belongs to it.
macro_rules! choices {
    ($($type:ident)+) => {
        $(impl Field for $type {
            fn write<'r>(&'r self, writer: &mut Writer<'r>) {
                writer.byte(self.tag());
                self.write_fields(writer);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                let offset = reader.offset();
                let value = reader.byte()?;
                Self::read_fields(value, reader)?.ok_or(DecodeError::UnknownValue { value, offset })
            }
        })+
    };
}

choices!(Status Step Doing Target Phase Owed);
