//! Task: one unit of work outside the state machine.

use skald_query::Value;

use crate::catch::Catcher;
use crate::data_flow::{DataFlow, Number, Reshapes, read_assign};
use crate::definition::Transition;
use crate::parse::block::Targets;
use crate::parse::fields::Fields;
use crate::parse::reader::{Language, Reader};
use crate::resource;
use crate::retry::Retrier;
use crate::template::{Field, Template};

#[derive(Debug)]
pub struct Task {
    pub resource: Resource,
    pub flow: DataFlow,
    /// `RoleArn` inside, literal or evaluated.
    pub credentials: Option<Template>,
    pub assign: Vec<Field>,
    /// `TimeoutSeconds` / `TimeoutSecondsPath`.
    pub timeout: Option<Number>,
    /// `HeartbeatSeconds` / `HeartbeatSecondsPath`.
    pub heartbeat: Option<Number>,
    pub retriers: Vec<Retrier>,
    pub catchers: Vec<Catcher>,
    pub transition: Transition,
}

/// What a Task calls, by the form of its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `arn:aws:lambda:…:function:name[:qualifier]`, text as in the definition.
    Lambda { arn: String },
    /// `arn:aws:states:…:activity:name`; also `arn:aws:swf:…:task:name`, which no activity has.
    Activity { arn: String },
    /// `arn:aws:states:::service:action[.pattern]`; the service of `aws-sdk:s3:getObject` is `aws-sdk:s3`.
    Service { service: String, action: String, pattern: Pattern },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pattern {
    RequestResponse,
    /// `.sync`
    Sync,
    /// `.sync:2`
    Sync2,
    /// `.waitForTaskToken`
    WaitForTaskToken,
}

impl Pattern {
    /// As it ends a resource ARN, and the `resource` of a history event.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::RequestResponse => "",
            Self::Sync => ".sync",
            Self::Sync2 => ".sync:2",
            Self::WaitForTaskToken => ".waitForTaskToken",
        }
    }
}

/// The most that `TimeoutSeconds` and `HeartbeatSeconds` may say. SOURCE: validation.md §4, "Types and ranges".
pub const TIMEOUT_SECONDS_MAX: u64 = 99_999_999;

const FIELDS: &[&str] = &[
    "Type",
    "Comment",
    "QueryLanguage",
    "Resource",
    "InputPath",
    "Parameters",
    "Arguments",
    "Credentials",
    "ResultSelector",
    "ResultPath",
    "OutputPath",
    "Output",
    "Assign",
    "TimeoutSeconds",
    "TimeoutSecondsPath",
    "HeartbeatSeconds",
    "HeartbeatSecondsPath",
    "Retry",
    "Catch",
    "Next",
    "End",
];

impl Task {
    pub(crate) fn read(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        state.check_known_to_state(reader, FIELDS);
        state.require(reader, "Resource");
        let resource = state.text(reader, "Resource").and_then(|arn| resource::read(arn, &state.at("Resource"), reader));
        let flow = DataFlow::read(state, Reshapes::Call, reader);
        if let Some(Resource::Service { service, action, .. }) = &resource {
            check_arguments(state, resource::required_arguments(service, action), reader);
        }
        let credentials = read_credentials(state, reader);
        let assign = read_assign(state, reader);
        let timeout = Number::read(state, "TimeoutSeconds", 1..=TIMEOUT_SECONDS_MAX, reader);
        let heartbeat = Number::read(state, "HeartbeatSeconds", 1..=TIMEOUT_SECONDS_MAX, reader);
        if let (Some(Number::Literal(timeout)), Some(Number::Literal(heartbeat))) = (&timeout, &heartbeat)
            && heartbeat > timeout
        {
            // SOURCE: the guide wants it smaller; equal ones are in published definitions, and are left alone here.
            reader.schema("HeartbeatSeconds must be smaller than TimeoutSeconds", &state.at("HeartbeatSeconds"));
        }
        let retriers = Retrier::read_all(state, reader);
        let catchers = Catcher::read_all(state, targets, reader);
        let transition = Transition::read(state, targets, reader)?;
        Some(Self { resource: resource?, flow, credentials, assign, timeout, heartbeat, retriers, catchers, transition })
    }
}

/// The members a service cannot do without, as they are or from a path.
fn check_arguments(state: &Fields<'_>, required: &[&str], reader: &mut Reader) {
    let (field, suffix) = match state.language {
        Language::JsonPath => ("Parameters", ".$"),
        Language::Jsonata => ("Arguments", ""),
    };
    let Some(arguments) = state.get(field) else {
        if let (false, Some(arn)) = (required.is_empty(), state.get("Resource").and_then(Value::as_str)) {
            reader.schema(format!("{field} field is required for resource ARN: {arn}"), state.location());
        }
        return;
    };
    let Value::Object(arguments) = arguments else { return };
    for name in required {
        if !arguments.contains_key(*name) && !arguments.contains_key(&format!("{name}{suffix}")) {
            reader.schema(format!("The field '{name}' is required but was missing"), &state.at(field));
        }
    }
}

fn read_credentials(state: &Fields<'_>, reader: &mut Reader) -> Option<Template> {
    if let Some(expression) = state.expression(reader, "Credentials") {
        return expression.map(Template::Expression);
    }
    let credentials = state.object(reader, "Credentials")?;
    credentials.check_known(reader, &["RoleArn", "RoleArn.$"]);
    if !credentials.has("RoleArn.$") {
        credentials.require(reader, "RoleArn");
    }
    credentials.text(reader, "RoleArn");
    Template::read(state, "Credentials", reader)
}
