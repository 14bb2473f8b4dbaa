//! How far the log has come into the cold tree, and the store's own facts as of then.
//!
//! It lies in the tree and is flushed with what it speaks of, so it is never ahead of it nor behind.

use std::collections::BTreeMap;

use super::frame::{Malformed, Reader};
use crate::{Epoch, PartitionId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    /// Every log item up to here is in the tree, tails apart.
    pub(super) sequence: u64,
    /// The log must still hold every item from here on: the rest of it that is not in the tree, and the tails.
    pub(super) floor: u64,
    pub(super) facts: Facts,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) latest_time: i64,
    /// The greatest epoch ever handed out.
    pub(super) epoch: u64,
    pub(super) owners: BTreeMap<PartitionId, Epoch>,
}

impl Marker {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(self.floor.to_le_bytes());
        bytes.extend(self.facts.latest_time.to_le_bytes());
        bytes.extend(self.facts.epoch.to_le_bytes());
        for (partition, epoch) in &self.facts.owners {
            bytes.extend(partition.0.to_le_bytes());
            bytes.extend(epoch.0.to_le_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let (sequence, floor) = (reader.u64()?, reader.u64()?);
        let mut facts = Facts { latest_time: reader.u64()? as i64, epoch: reader.u64()?, owners: BTreeMap::new() };
        while !reader.0.is_empty() {
            facts.owners.insert(PartitionId(reader.u16()?), Epoch(reader.u64()?));
        }
        Ok(Self { sequence, floor, facts })
    }
}
