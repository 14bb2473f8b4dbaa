//! Parallel: runs branches side by side on copies of its input.

use crate::catch::Catcher;
use crate::data_flow::{DataFlow, Reshapes, read_assign};
use crate::definition::{Block, Transition};
use crate::parse::block::{self, Runs, Targets};
use crate::parse::fields::Fields;
use crate::parse::reader::Reader;
use crate::retry::Retrier;
use crate::template::Field;

#[derive(Debug)]
pub struct Parallel {
    pub flow: DataFlow,
    /// Never empty.
    pub branches: Vec<Block>,
    pub assign: Vec<Field>,
    pub retriers: Vec<Retrier>,
    pub catchers: Vec<Catcher>,
    pub transition: Transition,
}

const FIELDS: &[&str] = &[
    "Type",
    "Comment",
    "QueryLanguage",
    "InputPath",
    "Parameters",
    "Arguments",
    "Branches",
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

const BRANCH_FIELDS: &[&str] = &["Comment", "StartAt", "States"];

impl Parallel {
    pub(crate) fn read(state: &Fields<'_>, targets: &Targets<'_>, reader: &mut Reader) -> Option<Self> {
        state.check_known_to_state(reader, FIELDS);
        let flow = DataFlow::read(state, Reshapes::Call, reader);
        let branches = read_branches(state, reader);
        let assign = read_assign(state, reader);
        let retriers = Retrier::read_all(state, reader);
        let catchers = Catcher::read_all(state, targets, reader);
        let transition = Transition::read(state, targets, reader)?;
        Some(Self { flow, branches: branches?, assign, retriers, catchers, transition })
    }
}

fn read_branches(state: &Fields<'_>, reader: &mut Reader) -> Option<Vec<Block>> {
    state.require(reader, "Branches")?;
    let items = state.filled_list(reader, "Branches")?;
    let branches = state.objects(reader, "Branches", items);
    let mut blocks = Vec::with_capacity(branches.len());
    for branch in &branches {
        branch.check_known(reader, BRANCH_FIELDS);
        branch.text(reader, "Comment");
        blocks.extend(block::read(branch, Runs::Within, reader));
    }
    (blocks.len() == items.len()).then_some(blocks)
}
