//! Succeed: ends its block well.

use crate::data_flow::DataPath;
use crate::parse::fields::Fields;
use crate::parse::reader::Reader;

#[derive(Debug)]
pub struct Succeed {
    pub input_path: DataPath,
    pub output_path: DataPath,
}

const FIELDS: &[&str] = &["Type", "Comment", "QueryLanguage", "InputPath", "OutputPath", "Output"];

impl Succeed {
    pub(crate) fn read(state: &Fields<'_>, reader: &mut Reader) -> Self {
        state.check_known_to_state(reader, FIELDS);
        let input_path = DataPath::read(state, "InputPath", reader);
        let output_path = DataPath::read(state, "OutputPath", reader);
        Self { input_path, output_path }
    }
}
