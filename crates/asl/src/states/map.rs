//! Map, inline: runs its processor once for each item.

use skald_query::Value;
use skald_query::jsonpath::Path;

use crate::catch::Catcher;
use crate::data_flow::{DataPath, Number, ResultPath};
use crate::definition::{Block, Transition};
use crate::parse::MachineType;
use crate::parse::block::{self, Targets};
use crate::parse::fields::Fields;
use crate::parse::reader::Reader;
use crate::retry::Retrier;
use crate::template::Template;

#[derive(Debug)]
pub struct Map {
    pub input_path: DataPath,
    /// `$` when absent.
    pub items_path: Path,
    /// `ItemSelector`, or `Parameters` of old.
    pub item_selector: Option<Template>,
    pub processor: Block,
    /// Literal 0 (also when absent): as many as the service allows, which is 40 inline.
    pub max_concurrency: Number,
    pub result_selector: Option<Template>,
    pub result_path: ResultPath,
    pub output_path: DataPath,
    pub retriers: Vec<Retrier>,
    pub catchers: Vec<Catcher>,
    pub transition: Transition,
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
        check_mode(state, reader);
        check_distributed_fields(state, reader);
        let input_path = DataPath::read(state, "InputPath", reader);
        let items_path = state.path(reader, "ItemsPath").unwrap_or_default();
        state.check_exclusive(reader, &["ItemSelector", "Parameters"]);
        let item_selector = Template::read(state, "ItemSelector", reader);
        let item_selector = item_selector.or(Template::read(state, "Parameters", reader));
        let processor = read_processor(state, reader);
        let max_concurrency = Number::read(state, "MaxConcurrency", 0..=u64::MAX, reader).unwrap_or(Number::Literal(0));
        let result_selector = Template::read(state, "ResultSelector", reader);
        let result_path = ResultPath::read(state, reader);
        let output_path = DataPath::read(state, "OutputPath", reader);
        let retriers = Retrier::read_all(state, reader);
        let catchers = Catcher::read_all(state, targets, reader);
        let transition = Transition::read(state, targets, reader)?;
        Some(Self {
            input_path,
            items_path,
            item_selector,
            processor: processor?,
            max_concurrency,
            result_selector,
            result_path,
            output_path,
            retriers,
            catchers,
            transition,
        })
    }
}

fn check_distributed_fields(state: &Fields<'_>, reader: &mut Reader) {
    Number::read(state, "ToleratedFailureCount", 0..=u64::MAX, reader);
    state.check_exclusive(reader, &["ToleratedFailurePercentage", "ToleratedFailurePercentagePath"]);
    state.number_in(reader, "ToleratedFailurePercentage", 0.0..=100.0);
    state.reference(reader, "ToleratedFailurePercentagePath");
    for field in DISTRIBUTED_FIELDS.iter().filter(|field| state.has(field)) {
        reader.not_supported_yet(&format!("The field '{field}' of a Map is"), &state.at(field));
    }
}

/// Checks the `ProcessorConfig` of the processor.
fn check_mode(state: &Fields<'_>, reader: &mut Reader) {
    let field = if state.has("ItemProcessor") { "ItemProcessor" } else { "Iterator" };
    let Some(Value::Object(processor)) = state.get(field) else { return };
    let Some(config) = processor.get("ProcessorConfig") else { return };
    let location = format!("{}/ProcessorConfig", state.at(field));
    let Some(config) = Fields::of(config, location, state.language, reader) else { return };
    config.check_known(reader, &["Mode", "ExecutionType"]);
    let execution_type = config.one_of(reader, "ExecutionType", &["STANDARD", "EXPRESS"]);
    if config.one_of(reader, "Mode", &["INLINE", "DISTRIBUTED"]) != Some("DISTRIBUTED") {
        if execution_type.is_some() {
            reader.schema("Field 'ExecutionType' is not supported", config.location());
        }
        return;
    }
    if !config.has("ExecutionType") {
        reader.schema("These fields are required: [ExecutionType]", config.location());
    }
    match reader.machine_type {
        MachineType::Standard => reader.not_supported_yet("Distributed Map ('Mode': 'DISTRIBUTED') is", &config.at("Mode")),
        MachineType::Express => {
            let message = "The field 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines";
            reader.schema(message, &config.at("Mode"));
        }
    }
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
