//! What a journal holds: AWS's events, and notes of ours.

use crate::event::Event;
use crate::note::Note;

/// One record of an execution's journal. Its position and an event's id are two numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Event(Event),
    Note(Note),
}
