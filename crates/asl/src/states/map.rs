//! Map, inline: runs its processor once for each item.

use skald_query::Value;
use skald_query::jsonpath::Path;

use super::distributed::{self, Distributed};
use crate::catch::Catcher;
use crate::data_flow::{DataFlow, Number, Reshapes, read_assign};
use crate::definition::{Block, Transition};
use crate::parse::MachineType;
use crate::parse::block::{self, Runs, Targets};
use crate::parse::fields::Fields;
use crate::parse::reader::{Language, Reader};
use crate::retry::Retrier;
use crate::template::{Field, Template};

#[derive(Debug)]
pub struct Map {
    pub flow: DataFlow,
    pub items: Items,
    /// `ItemSelector`, or `Parameters` of old.
    pub item_selector: Option<Template>,
    pub processor: Block,
    /// Literal 0 (also when absent): as many as the service allows, which is 40 inline.
    pub max_concurrency: Number,
    pub mode: Mode,
    pub assign: Vec<Field>,
    pub retriers: Vec<Retrier>,
    pub catchers: Vec<Catcher>,
    pub transition: Transition,
}

/// What a Map runs over.
#[derive(Debug, Clone, PartialEq)]
pub enum Items {
    /// `ItemsPath`, `$` when absent.
    Path(Path),
    /// `Items` of JSONata; the state's input when absent.
    Template(Option<Template>),
}

/// Where the iterations run.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// In the execution itself.
    Inline,
    /// Each in an execution of its own.
    Distributed(Box<Distributed>),
}

const FIELDS: &[&str] = &[
    "Type",
    "Comment",
    "QueryLanguage",
    "InputPath",
    "ItemsPath",
    "Items",
    "ItemSelector",
    "Parameters",
    "ItemProcessor",
    "Iterator",
    "MaxConcurrency",
    "MaxConcurrencyPath",
    "ResultSelector",
    "ResultPath",
    "OutputPath",
    "Output",
    "Assign",
    "Retry",
    "Catch",
    "Next",
    "End",
];

/// SOURCE: recorded on AWS: `Iterator`, the older name, takes a `ProcessorConfig`, too.
const PROCESSOR_FIELDS: &[&str] = &["Comment", "StartAt", "States", "ProcessorConfig"];

impl Map {
    pub(crate) fn read(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        state.check_known_to_state(reader, &[FIELDS, distributed::FIELDS].concat());
        let mode = read_mode(state, reader);
        let flow = DataFlow::read(state, Reshapes::Result, reader);
        let items = match state.language {
            Language::JsonPath => Items::Path(state.path(reader, "ItemsPath").unwrap_or_default()),
            Language::Jsonata => Items::Template(Template::read(state, "Items", reader)),
        };
        state.check_exclusive(reader, &["ItemSelector", "Parameters"]);
        let item_selector = Template::read(state, "ItemSelector", reader);
        let item_selector = item_selector.or(Template::read(state, "Parameters", reader));
        let processor = read_processor(state, &mode, reader);
        let max_concurrency = Number::read(state, "MaxConcurrency", 0..=u64::MAX, reader).unwrap_or(Number::Literal(0));
        let assign = read_assign(state, reader);
        let retriers = Retrier::read_all(state, reader);
        let catchers = Catcher::read_all(state, targets, reader);
        let transition = Transition::read(state, targets, reader)?;
        Some(Self { flow, items, item_selector, processor: processor?, max_concurrency, mode, assign, retriers, catchers, transition })
    }
}

/// What the `ProcessorConfig` of the processor asks for.
fn read_mode(state: &Fields<'_>, reader: &mut Reader) -> Mode {
    let execution_type = read_execution_type(state, reader);
    let distributed = Distributed::read(state, execution_type.unwrap_or_default(), reader);
    match execution_type {
        Some(_) => Mode::Distributed(Box::new(distributed)),
        None => Mode::Inline,
    }
}

/// How the iterations run in executions of their own; `None` when they do not.
fn read_execution_type(state: &Fields<'_>, reader: &mut Reader) -> Option<MachineType> {
    let field = if state.has("ItemProcessor") { "ItemProcessor" } else { "Iterator" };
    // What is no object is reported when the processor is read.
    let Some(Value::Object(processor)) = state.get(field) else { return None };
    let location = state.at(field);
    let config = Fields::of(processor.get("ProcessorConfig")?, location.field("ProcessorConfig"), state.language, reader)?;
    config.check_known(reader, &["Mode", "ExecutionType"]);
    let execution_type = config.one_of(reader, "ExecutionType", &["STANDARD", "EXPRESS"]);
    if config.one_of(reader, "Mode", &["INLINE", "DISTRIBUTED"]) != Some("DISTRIBUTED") {
        if execution_type.is_some() {
            reader.schema("Field 'ExecutionType' is not supported", config.location());
        }
        return None;
    }
    if !config.has("ExecutionType") {
        reader.schema("These fields are required: [ExecutionType]", config.location());
    }
    if reader.machine_type == MachineType::Express {
        let message = "The field 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines";
        reader.schema(message, &config.at("Mode"));
    }
    match execution_type {
        Some("EXPRESS") => Some(MachineType::Express),
        Some(_) | None => Some(MachineType::Standard),
    }
}

fn read_processor(state: &Fields<'_>, mode: &Mode, reader: &mut Reader) -> Option<Block> {
    state.check_exclusive(reader, &["ItemProcessor", "Iterator"]);
    if !state.has("Iterator") {
        state.require(reader, "ItemProcessor")?;
    }
    let runs = match mode {
        Mode::Inline => Runs::Within,
        Mode::Distributed(_) => Runs::Apart,
    };
    let mut block = None;
    for field in ["ItemProcessor", "Iterator"] {
        if let Some(processor) = state.object(reader, field) {
            processor.check_known(reader, PROCESSOR_FIELDS);
            processor.text(reader, "Comment");
            block = block.or(block::read(&processor, runs, reader));
        }
    }
    block
}
