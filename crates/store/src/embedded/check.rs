//! Reads every file of a store and says which are whole. Works on a store that does not open, and changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;

use super::salvage::{Salvage, Salvaged, Visitor};
use crate::{EntityId, Error, Position, Table};

pub use super::salvage::FileState;

/// What a store's files are, and what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In order of their names.
    pub files: Vec<FileState>,
    /// What was in damaged places, as far as that can be told.
    pub losses: Vec<String>,
    /// Entities of which only the first records are whole, or none.
    pub cut: Vec<CutEntity>,
    pub entities: u64,
    pub records: u64,
    pub rows: BTreeMap<Table, u64>,
}

/// An entity that lost records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CutEntity {
    pub entity: EntityId,
    /// Its records up to here are whole; 0 is none.
    pub kept: Position,
    /// Its last record, as far as anything tells of it.
    pub known: Position,
}

impl Report {
    pub fn is_whole(&self) -> bool {
        self.files.iter().all(|file| file.damages.is_empty()) && self.losses.is_empty() && self.cut.is_empty()
    }
}

/// Checks the store in `folder`.
///
/// # Errors
/// `Conflict` when a process has it open; `Damaged` when it is no store, or one of an unknown format.
pub fn check(folder: &Path) -> Result<Report, Error> {
    let salvage = Salvage::read(folder)?;
    let mut counter = Counter::default();
    salvage.visit(&mut counter)?;
    Ok(Report { files: salvage.files, losses: salvage.losses, ..counter.report })
}

/// Counts what is whole.
#[derive(Default)]
pub(super) struct Counter {
    pub(super) report: Report,
}

impl Visitor for Counter {
    fn entity(&mut self, salvaged: Salvaged) -> Result<(), Error> {
        let kept = salvaged.kept();
        if kept < salvaged.known {
            self.report.cut.push(CutEntity { entity: salvaged.entity, kept, known: salvaged.known });
        }
        if kept.0 > 0 {
            self.report.entities += 1;
            self.report.records += kept.0;
        }
        Ok(())
    }

    fn row(&mut self, table: Table, _key: Bytes, _value: Bytes) -> Result<(), Error> {
        *self.report.rows.entry(table).or_default() += 1;
        Ok(())
    }
}
