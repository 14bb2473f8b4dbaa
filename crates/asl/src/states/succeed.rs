//! Succeed: ends its block well.

use crate::data_flow::{DataFlow, Reshapes};
use crate::parse::fields::Fields;
use crate::parse::reader::Reader;

#[derive(Debug, Default)]
pub struct Succeed {
    pub flow: DataFlow,
}

const FIELDS: &[&str] = &["Type", "Comment", "QueryLanguage", "InputPath", "OutputPath", "Output"];

impl Succeed {
    pub(crate) fn read(state: &Fields<'_>, reader: &mut Reader) -> Self {
        state.check_known_to_state(reader, FIELDS);
        Self { flow: DataFlow::read(state, Reshapes::Nothing, reader) }
    }
}
