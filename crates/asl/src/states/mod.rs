//! The eight state types: their fields as narrow types.

mod pass;
mod task;
mod choice;
mod wait;
mod succeed;
mod fail;
mod parallel;
mod map;
mod distributed;

pub use choice::{Choice, Comparator, Operand, Order, Rule, Test, TextPattern, TypeTest};
pub use distributed::{
    CsvDelimiter, CsvHeaders, Distributed, InputType, ItemBatcher, ItemReader, ManifestType, OutputType, Percentage, ReaderConfig,
    ReaderTransformation, ResultWriter, Source, WriterTransformation,
};
pub use fail::Fail;
pub use map::{Items, Map, Mode};
pub use parallel::Parallel;
pub use pass::Pass;
pub use succeed::Succeed;
pub use task::{Pattern, Resource, TIMEOUT_SECONDS_MAX, Task};
pub use wait::{Until, Wait};
