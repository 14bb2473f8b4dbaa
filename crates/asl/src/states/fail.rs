//! Fail: ends its block with an error.

use crate::data_flow::Text;
use crate::parse::fields::Fields;
use crate::parse::reader::Reader;

#[derive(Debug)]
pub struct Fail {
    pub error: Option<Text>,
    pub cause: Option<Text>,
}

const FIELDS: &[&str] = &["Type", "Comment", "QueryLanguage", "Error", "ErrorPath", "Cause", "CausePath"];

impl Fail {
    pub(crate) fn read(state: &Fields<'_>, reader: &mut Reader) -> Self {
        state.check_known_to_state(reader, FIELDS);
        let error = Text::read(state, "Error", reader);
        let cause = Text::read(state, "Cause", reader);
        Self { error, cause }
    }
}
