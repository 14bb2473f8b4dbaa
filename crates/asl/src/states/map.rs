//! Map, inline: runs its processor once for each item.

use skald_query::Value;
use skald_query::jsonpath::Path;

use crate::catch::Catcher;
use crate::data_flow::{DataFlow, Number, Reshapes, read_assign};
use crate::definition::{Block, Transition};
use crate::parse::MachineType;
use crate::parse::block::{self, Targets};
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

/// What only a Distributed Map has.
#[derive(Debug, Clone, PartialEq)]
pub struct Distributed {
    pub execution_type: MachineType,
    pub label: Option<String>,
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

/// What else a Map has. Nothing acts on these yet. SOURCE: made for distributed processors; AWS takes at least `Label`
/// (corpus) and `ToleratedFailurePercentage` (recorded) of inline ones.
const DISTRIBUTED_FIELDS: &[&str] = &[
    "Label",
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
];

/// SOURCE: recorded on AWS: `Iterator`, the older name, takes a `ProcessorConfig`, too.
const PROCESSOR_FIELDS: &[&str] = &["Comment", "StartAt", "States", "ProcessorConfig"];

impl Map {
    pub(crate) fn read(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        state.check_known_to_state(reader, &[FIELDS, DISTRIBUTED_FIELDS].concat());
        let mode = read_mode(state, reader);
        check_distributed_fields(state, reader);
        let flow = DataFlow::read(state, Reshapes::Result, reader);
        let items = match state.language {
            Language::JsonPath => Items::Path(state.path(reader, "ItemsPath").unwrap_or_default()),
            Language::Jsonata => Items::Template(Template::read(state, "Items", reader)),
        };
        state.check_exclusive(reader, &["ItemSelector", "Parameters"]);
        let item_selector = Template::read(state, "ItemSelector", reader);
        let item_selector = item_selector.or(Template::read(state, "Parameters", reader));
        let processor = read_processor(state, reader);
        let max_concurrency = Number::read(state, "MaxConcurrency", 0..=u64::MAX, reader).unwrap_or(Number::Literal(0));
        let assign = read_assign(state, reader);
        let retriers = Retrier::read_all(state, reader);
        let catchers = Catcher::read_all(state, targets, reader);
        let transition = Transition::read(state, targets, reader)?;
        Some(Self { flow, items, item_selector, processor: processor?, max_concurrency, mode, assign, retriers, catchers, transition })
    }
}

fn check_distributed_fields(state: &Fields<'_>, reader: &mut Reader) {
    Number::read(state, "ToleratedFailureCount", 0..=u64::MAX, reader);
    state.check_exclusive(reader, &["ToleratedFailurePercentage", "ToleratedFailurePercentagePath"]);
    state.number_in(reader, "ToleratedFailurePercentage", 0.0..=100.0);
    state.reference(reader, "ToleratedFailurePercentagePath");
}

/// What the `ProcessorConfig` of the processor asks for.
fn read_mode(state: &Fields<'_>, reader: &mut Reader) -> Mode {
    let field = if state.has("ItemProcessor") { "ItemProcessor" } else { "Iterator" };
    let Some(Value::Object(processor)) = state.get(field) else { return Mode::Inline };
    let Some(config) = processor.get("ProcessorConfig") else { return Mode::Inline };
    let location = format!("{}/ProcessorConfig", state.at(field));
    let Some(config) = Fields::of(config, location, state.language, reader) else { return Mode::Inline };
    config.check_known(reader, &["Mode", "ExecutionType"]);
    let execution_type = config.one_of(reader, "ExecutionType", &["STANDARD", "EXPRESS"]);
    if config.one_of(reader, "Mode", &["INLINE", "DISTRIBUTED"]) != Some("DISTRIBUTED") {
        if execution_type.is_some() {
            reader.schema("Field 'ExecutionType' is not supported", config.location());
        }
        return Mode::Inline;
    }
    if !config.has("ExecutionType") {
        reader.schema("These fields are required: [ExecutionType]", config.location());
    }
    if reader.machine_type == MachineType::Express {
        let message = "The field 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines";
        reader.schema(message, &config.at("Mode"));
    }
    let execution_type = match execution_type {
        Some("EXPRESS") => MachineType::Express,
        Some(_) | None => MachineType::Standard,
    };
    Mode::Distributed(Box::new(Distributed { execution_type, label: state.text(reader, "Label").map(str::to_owned) }))
}

fn read_processor(state: &Fields<'_>, reader: &mut Reader) -> Option<Block> {
    state.check_exclusive(reader, &["ItemProcessor", "Iterator"]);
    if !state.has("Iterator") {
        state.require(reader, "ItemProcessor")?;
    }
    let mut block = None;
    for field in ["ItemProcessor", "Iterator"] {
        if let Some(processor) = state.object(reader, field) {
            processor.check_known(reader, PROCESSOR_FIELDS);
            processor.text(reader, "Comment");
            block = block.or(block::read(&processor, reader));
        }
    }
    block
}
