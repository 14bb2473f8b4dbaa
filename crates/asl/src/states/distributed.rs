//! What a Distributed Map has beside an inline one: where its items come from, how they are batched, where results go.

use std::collections::BTreeSet;

use skald_query::Value;
use skald_query::jsonata::Expression;
use skald_query::jsonpath::Path;

use crate::data_flow::{Number, read_path_form};
use crate::diagnostic::Code;
use crate::parse::MachineType;
use crate::parse::fields::Fields;
use crate::parse::location::Location;
use crate::parse::reader::{Language, Reader};
use crate::template::Template;

/// What only a Distributed Map has.
#[derive(Debug, Clone, PartialEq)]
pub struct Distributed {
    pub execution_type: MachineType,
    pub label: Option<String>,
    pub reader: Option<ItemReader>,
    pub batcher: Option<ItemBatcher>,
    pub writer: Option<ResultWriter>,
    /// None are tolerated when neither is there; with both, the state fails when either is exceeded.
    pub tolerated_failure_count: Option<Number>,
    pub tolerated_failure_percentage: Option<Percentage>,
}

/// A number from 0 to 100 that stands in the definition or is found at run time.
#[derive(Debug, Clone, PartialEq)]
pub enum Percentage {
    Literal(f64),
    Path(Path),
    Expression(Expression),
}

/// `ItemReader`: the items come from S3.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemReader {
    pub source: Source,
    /// `Parameters` or `Arguments`: `Bucket`, `Key`, `Prefix`, ….
    pub arguments: Option<Template>,
    pub config: ReaderConfig,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `s3:getObject`: the items lie in one object.
    Object,
    /// `s3:listObjectsV2`: the items are the objects of a listing.
    Listing,
}

/// `ReaderConfig`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReaderConfig {
    pub input: Option<InputType>,
    pub transformation: ReaderTransformation,
    pub manifest: Option<ManifestType>,
    pub csv_headers: Option<CsvHeaders>,
    pub csv_delimiter: CsvDelimiter,
    /// A JSON Pointer to the list inside a JSON file.
    pub items_pointer: Option<String>,
    /// Literal 0: all.
    pub max_items: Option<Number>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputType {
    Csv,
    Json,
    Jsonl,
    Parquet,
    Manifest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReaderTransformation {
    #[default]
    None,
    /// Reads every listed object and runs over the items in it.
    LoadAndFlatten,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestType {
    S3Inventory,
    AthenaData,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CsvHeaders {
    FirstRow,
    Given(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CsvDelimiter {
    #[default]
    Comma,
    Pipe,
    Semicolon,
    Space,
    Tab,
}

/// `ItemBatcher`: several items for one execution. At least one of the limits is there.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemBatcher {
    pub max_items: Option<Number>,
    pub max_input_bytes: Option<Number>,
    /// Given to every batch.
    pub batch_input: Option<Template>,
}

/// `ResultWriter`
#[derive(Debug, Clone, PartialEq)]
pub struct ResultWriter {
    /// `Parameters` or `Arguments` of `s3:putObject`: `Bucket`, `Prefix`. Absent: the results are only transformed.
    pub destination: Option<Template>,
    pub transformation: Option<WriterTransformation>,
    pub output: Option<OutputType>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriterTransformation {
    None,
    Compact,
    Flatten,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputType {
    Json,
    Jsonl,
}

/// SOURCE: validation.md §4, "Types and ranges"; asl.md §4, Distributed additions.
const BATCH_BYTES_MAX: u64 = 262_144;
const LABEL_CHARACTERS_MAX: usize = 40;
const LABEL_CHARACTERS_FORBIDDEN: &str = "?*<>{}[]:;,\\|^~$#%&`\"";

/// The fields of a Map that are read here. SOURCE: recorded on AWS and in published definitions: an inline Map may have
/// them, too; nothing acts on them then.
pub(super) const FIELDS: &[&str] = &[
    "Label",
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
];

impl Distributed {
    /// Reads the fields of a Map, whatever its mode.
    pub(super) fn read(state: &Fields<'_>, execution_type: MachineType, reader: &mut Reader) -> Self {
        Self {
            execution_type,
            label: read_label(state, reader),
            reader: ItemReader::read(state, reader),
            batcher: ItemBatcher::read(state, reader),
            writer: ResultWriter::read(state, reader),
            tolerated_failure_count: Number::read(state, "ToleratedFailureCount", 0..=u64::MAX, reader),
            tolerated_failure_percentage: Percentage::read(state, "ToleratedFailurePercentage", reader),
        }
    }
}

fn read_label(state: &Fields<'_>, reader: &mut Reader) -> Option<String> {
    let label = state.text(reader, "Label")?;
    let location = state.at("Label");
    if label.chars().count() > LABEL_CHARACTERS_MAX {
        let message = format!("Label '{label}' exceeds the {LABEL_CHARACTERS_MAX}-character limit allowed by the service");
        reader.error(Code::InvalidLabelName, message, Some(&location));
    }
    let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || LABEL_CHARACTERS_FORBIDDEN.contains(c);
    if label.is_empty() {
        // SOURCE: validation.md §3, the rule for empty strings.
        reader.schema("Value cannot be empty", &location);
    }
    if label.chars().any(is_forbidden) {
        // SOURCE: guess.
        let message = format!("Label '{label}' contains invalid characters");
        reader.error(Code::InvalidLabelName, message, Some(&location));
    }
    if !reader.take_label(label) {
        reader.error(Code::DuplicateLabelName, format!("Duplicate Label name: {label}"), Some(&location));
    }
    Some(label.to_owned())
}

impl Percentage {
    fn read(state: &Fields<'_>, field: &str, reader: &mut Reader) -> Option<Self> {
        if let Some(expression) = state.expression(reader, field) {
            return expression.map(Self::Expression);
        }
        let literal = state.number_in(reader, field, 0.0..=100.0).map(Self::Literal);
        literal.or(read_path_form(state, field, reader).map(Self::Path))
    }
}

impl ItemReader {
    fn read(state: &Fields<'_>, reader: &mut Reader) -> Option<Self> {
        let fields = state.object(reader, "ItemReader")?;
        fields.check_known_to_state(reader, &["Resource", "Parameters", "Arguments", "ReaderConfig"]);
        fields.require(reader, "Resource");
        let source = read_resource(&fields, &[("getObject", Source::Object), ("listObjectsV2", Source::Listing)], reader);
        let needed: &[&str] = match source {
            Some(Source::Object) => &["Bucket", "Key"],
            Some(Source::Listing) => &["Bucket"],
            None => &[],
        };
        let arguments = read_arguments(&fields, needed, reader);
        let config = fields.object(reader, "ReaderConfig").map(|config| ReaderConfig::read(&config, source, reader));
        if config.is_none() && !fields.has("ReaderConfig") && source == Some(Source::Object) {
            fields.require(reader, "ReaderConfig");
        }
        Some(Self { source: source?, arguments, config: config.unwrap_or_default() })
    }
}

impl ReaderConfig {
    fn read(config: &Fields<'_>, source: Option<Source>, reader: &mut Reader) -> Self {
        const KNOWN: &[&str] = &[
            "InputType",
            "Transformation",
            "ManifestType",
            "CSVHeaderLocation",
            "CSVHeaders",
            "CSVDelimiter",
            "ItemsPointer",
            "MaxItems",
            "MaxItemsPath",
        ];
        config.check_known_to_state(reader, KNOWN);
        let input = match config.one_of(reader, "InputType", &["CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"]) {
            Some("CSV") => Some(InputType::Csv),
            Some("JSON") => Some(InputType::Json),
            Some("JSONL") => Some(InputType::Jsonl),
            Some("PARQUET") => Some(InputType::Parquet),
            Some(_) => Some(InputType::Manifest),
            None => None,
        };
        let transformation = match config.one_of(reader, "Transformation", &["NONE", "LOAD_AND_FLATTEN"]) {
            Some("LOAD_AND_FLATTEN") => ReaderTransformation::LoadAndFlatten,
            Some(_) | None => ReaderTransformation::None,
        };
        let manifest = match config.one_of(reader, "ManifestType", &["S3_INVENTORY", "ATHENA_DATA"]) {
            Some("S3_INVENTORY") => Some(ManifestType::S3Inventory),
            Some(_) => Some(ManifestType::AthenaData),
            None => None,
        };
        let loads = source == Some(Source::Object) && manifest != Some(ManifestType::S3Inventory);
        if !config.has("InputType") && (loads || transformation == ReaderTransformation::LoadAndFlatten) {
            config.require(reader, "InputType");
        }
        Self {
            input,
            transformation,
            manifest,
            csv_headers: CsvHeaders::read(config, input, reader),
            csv_delimiter: CsvDelimiter::read(config, reader),
            items_pointer: config.text(reader, "ItemsPointer").map(str::to_owned),
            max_items: Number::read(config, "MaxItems", 0..=u64::MAX, reader),
        }
    }
}

impl CsvHeaders {
    fn read(config: &Fields<'_>, input: Option<InputType>, reader: &mut Reader) -> Option<Self> {
        if input == Some(InputType::Csv) {
            config.require(reader, "CSVHeaderLocation");
        }
        let names = config.list(reader, "CSVHeaders").map(|items| read_texts(items, &config.at("CSVHeaders"), reader));
        match config.one_of(reader, "CSVHeaderLocation", &["FIRST_ROW", "GIVEN"])? {
            "GIVEN" if names.is_none() => {
                reader.schema("These fields are required: [CSVHeaders]", config.location());
                None
            }
            "GIVEN" => names.map(Self::Given),
            _ => Some(Self::FirstRow),
        }
    }
}

impl CsvDelimiter {
    fn read(config: &Fields<'_>, reader: &mut Reader) -> Self {
        match config.one_of(reader, "CSVDelimiter", &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"]) {
            Some("PIPE") => Self::Pipe,
            Some("SEMICOLON") => Self::Semicolon,
            Some("SPACE") => Self::Space,
            Some("TAB") => Self::Tab,
            Some(_) | None => Self::Comma,
        }
    }
}

impl ItemBatcher {
    fn read(state: &Fields<'_>, reader: &mut Reader) -> Option<Self> {
        const LIMITS: &[&str] = &["MaxItemsPerBatch", "MaxItemsPerBatchPath", "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"];
        let fields = state.object(reader, "ItemBatcher")?;
        fields.check_known_to_state(reader, &[LIMITS, &["BatchInput"]].concat());
        if !LIMITS.iter().any(|limit| fields.has(limit)) {
            let message = format!("The object must have at least one of the following fields: [{}]", LIMITS.join(", "));
            reader.schema(message, fields.location());
        }
        Some(Self {
            max_items: Number::read(&fields, "MaxItemsPerBatch", 1..=u64::MAX, reader),
            max_input_bytes: Number::read(&fields, "MaxInputBytesPerBatch", 1..=BATCH_BYTES_MAX, reader),
            batch_input: Template::read(&fields, "BatchInput", reader),
        })
    }
}

impl ResultWriter {
    fn read(state: &Fields<'_>, reader: &mut Reader) -> Option<Self> {
        let fields = state.object(reader, "ResultWriter")?;
        fields.check_known_to_state(reader, &["Resource", "Parameters", "Arguments", "WriterConfig"]);
        if fields.is_empty() {
            reader.schema("Value cannot be empty", fields.location());
        }
        read_resource(&fields, &[("putObject", ())], reader);
        let needed: &[&str] = if fields.has("Resource") { &["Bucket"] } else { &[] };
        let destination = read_arguments(&fields, needed, reader);
        if destination.is_some() {
            fields.require(reader, "Resource");
        }
        let config = fields.object(reader, "WriterConfig");
        let (transformation, output) = config.map_or((None, None), |config| {
            config.check_known(reader, &["Transformation", "OutputType"]);
            let transformation = match config.one_of(reader, "Transformation", &["NONE", "COMPACT", "FLATTEN"]) {
                Some("NONE") => Some(WriterTransformation::None),
                Some("COMPACT") => Some(WriterTransformation::Compact),
                Some(_) => Some(WriterTransformation::Flatten),
                None => None,
            };
            let output = match config.one_of(reader, "OutputType", &["JSON", "JSONL"]) {
                Some("JSON") => Some(OutputType::Json),
                Some(_) => Some(OutputType::Jsonl),
                None => None,
            };
            (transformation, output)
        });
        Some(Self { destination, transformation, output })
    }
}

/// `Resource`: one of these actions of S3, in any partition.
fn read_resource<T: Copy>(fields: &Fields<'_>, actions: &[(&str, T)], reader: &mut Reader) -> Option<T> {
    let arn = fields.text(reader, "Resource")?;
    let action = arn.strip_prefix("arn:").and_then(|rest| rest.split_once(':')).and_then(|(_, rest)| rest.strip_prefix("states:::s3:"));
    let known = actions.iter().find(|(name, _)| Some(*name) == action).map(|(_, meaning)| *meaning);
    if known.is_none() {
        reader.schema("The field 'Resource' does not match any of the allowed values", &fields.at("Resource"));
    }
    known
}

/// `Parameters` or `Arguments`, which must hold the fields `needed`, as they are or from a path.
fn read_arguments(fields: &Fields<'_>, needed: &[&str], reader: &mut Reader) -> Option<Template> {
    let field = match fields.language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    };
    if !needed.is_empty() {
        fields.require(reader, field);
    }
    if let Some(Value::Object(members)) = fields.get(field) {
        let given: BTreeSet<&str> = members.keys().map(|key| key.strip_suffix(".$").unwrap_or(key)).collect();
        for name in needed.iter().filter(|name| !given.contains(*name)) {
            reader.schema(format!("The field '{name}' is required but was missing"), &fields.at(field));
        }
    }
    Template::read(fields, field, reader)
}

fn read_texts(items: &[Value], location: &Location<'_>, reader: &mut Reader) -> Vec<String> {
    let mut texts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(text) => texts.push(text.to_owned()),
            None => reader.schema("Expected value of type String", &location.item(index)),
        }
    }
    texts
}
