//! `Catch`: where an error that is not tried again leads.

use crate::data_flow::{ResultPath, read_assign};
use crate::definition::StateId;
use crate::parse::block::Targets;
use crate::parse::fields::Fields;
use crate::parse::reader::{Language, Reader, Sees};
use crate::retry::read_error_equals;
use crate::template::{Field, Template};

/// One catcher.
#[derive(Debug, Clone, PartialEq)]
pub struct Catcher {
    /// Never empty.
    pub error_equals: Vec<String>,
    pub next: StateId,
    /// Where `{"Error", "Cause"}` lands in the raw input; `$` by default, which replaces it.
    pub result_path: ResultPath,
    /// Set when the catcher is taken.
    pub assign: Vec<Field>,
    /// JSONata: the state's output when the catcher is taken; the error output when absent.
    pub output: Option<Template>,
}

const FIELDS: &[&str] = &["ErrorEquals", "Next", "ResultPath", "Assign", "Output", "Comment"];

impl Catcher {
    /// Every catcher of a state.
    pub(crate) fn read_all(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Vec<Self> {
        let Some(items) = state.list(reader, "Catch") else { return Vec::new() };
        let catchers = state.objects(reader, "Catch", items);
        let count = catchers.len();
        let catchers = catchers.into_iter().map(|catcher| catcher.seeing(Sees::ErrorOutput));
        catchers.zip(1..).filter_map(|(catcher, place)| Self::read(&catcher, place == count, targets, reader)).collect()
    }

    fn read(fields: &Fields<'_>, is_last: bool, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        fields.check_known_to_state(reader, FIELDS);
        fields.text(reader, "Comment");
        let error_equals = read_error_equals(fields, is_last, reader);
        fields.require(reader, "Next");
        let next = targets.named_by(fields, "Next", reader);
        let (result_path, output) = match fields.language {
            Language::JsonPath => (ResultPath::read(fields, reader), None),
            Language::Jsonata => (ResultPath::default(), Template::read(fields, "Output", reader)),
        };
        let assign = read_assign(fields, reader);
        Some(Self { error_equals: error_equals?, next: next?, result_path, assign, output })
    }
}
