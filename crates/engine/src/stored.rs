//! Values of the store's tables, and heads. Bytes that outlive the process: each begins with its version.

use bytes::Bytes;
use skald_asl::Timestamp;
use skald_store::EntityId;

use crate::execution::ExecutionStatus;

const VERSION: u8 = 1;

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NameRecord {
    pub(crate) entity: EntityId,
    pub(crate) started_at: Timestamp,
    /// SHA-256 of the input's text.
    pub(crate) input_hash: [u8; 32],
    /// SHA-256 of the starter key; zeros when there was none.
    pub(crate) starter_hash: [u8; 32],
}

impl NameRecord {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(89);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.entity.to_bytes());
        bytes.extend_from_slice(&self.started_at.millis.to_be_bytes());
        bytes.extend_from_slice(&self.input_hash);
        bytes.extend_from_slice(&self.starter_hash);
        Bytes::from(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != 89 || bytes[0] != VERSION {
            return None;
        }
        Some(Self {
            entity: EntityId::from_bytes(bytes[1..17].try_into().ok()?),
            started_at: Timestamp::from_millis(i64::from_be_bytes(bytes[17..25].try_into().ok()?)),
            input_hash: bytes[25..57].try_into().ok()?,
            starter_hash: bytes[57..89].try_into().ok()?,
        })
    }
}

/// What a list shows of an execution, beside what the key says; also the first part of its entity's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) status: ExecutionStatus,
    pub(crate) started_at: Timestamp,
    pub(crate) stopped_at: Option<Timestamp>,
    pub(crate) name: String,
    /// Whether running entries stand in the list tables: parked at least once.
    pub(crate) listed: bool,
    /// Where its timer row is, while parked.
    pub(crate) timer_due: Option<Timestamp>,
}

impl Envelope {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(27 + self.name.len());
        bytes.extend_from_slice(&[VERSION, self.status as u8, u8::from(self.listed)]);
        for time in [Some(self.started_at), self.stopped_at, self.timer_due] {
            bytes.extend_from_slice(&time.map_or(i64::MIN, |time| time.millis).to_be_bytes());
        }
        bytes.extend_from_slice(self.name.as_bytes());
        Bytes::from(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < 27 || bytes[0] != VERSION {
            return None;
        }
        let status = status(bytes[1])?;
        let time = |from: usize| -> Option<Option<Timestamp>> {
            let millis = i64::from_be_bytes(bytes[from..from + 8].try_into().ok()?);
            Some((millis != i64::MIN).then_some(Timestamp::from_millis(millis)))
        };
        Some(Self {
            status,
            listed: bytes[2] == 1,
            started_at: time(3)??,
            stopped_at: time(11)?,
            timer_due: time(19)?,
            name: std::str::from_utf8(&bytes[27..]).ok()?.to_owned(),
        })
    }
}

fn status(byte: u8) -> Option<ExecutionStatus> {
    match byte {
        1 => Some(ExecutionStatus::Running),
        2 => Some(ExecutionStatus::Succeeded),
        3 => Some(ExecutionStatus::Failed),
        4 => Some(ExecutionStatus::TimedOut),
        5 => Some(ExecutionStatus::Aborted),
        _ => None,
    }
}

/// What has to go with an ended execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retained {
    pub(crate) status: ExecutionStatus,
    /// Its time in the lists.
    pub(crate) sorted_by: Timestamp,
    /// What its machine's keys begin with.
    pub(crate) prefix: Vec<u8>,
    pub(crate) name: String,
}

impl Retained {
    /// Version, status, time, the prefix's length, prefix, name.
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(12 + self.prefix.len() + self.name.len());
        bytes.extend_from_slice(&[VERSION, self.status as u8]);
        bytes.extend_from_slice(&self.sorted_by.millis.to_be_bytes());
        bytes.extend_from_slice(&u16::try_from(self.prefix.len()).expect("names are short").to_be_bytes());
        bytes.extend_from_slice(&self.prefix);
        bytes.extend_from_slice(self.name.as_bytes());
        Bytes::from(bytes)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.first() != Some(&VERSION) {
            return None;
        }
        let length = u16::from_be_bytes(bytes.get(10..12)?.try_into().ok()?);
        let (prefix, name) = bytes[12..].split_at_checked(usize::from(length))?;
        Some(Self {
            status: status(bytes[1])?,
            sorted_by: Timestamp::from_millis(i64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
            prefix: prefix.to_vec(),
            name: std::str::from_utf8(name).ok()?.to_owned(),
        })
    }
}

/// An entity's head: how it stands, and its folded state for when it is woken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) envelope: Envelope,
    /// None for one that is over and owes nothing.
    pub(crate) folded: Option<Folded>,
}

/// A folded state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folded {
    /// The definition's, without which the snapshot cannot be read.
    pub(crate) revision: u64,
    pub(crate) snapshot: Bytes,
}

impl Head {
    /// Version, the envelope's length, the envelope; then, if there is a folded state, its revision and snapshot.
    pub(crate) fn encode(&self) -> Bytes {
        let envelope = self.envelope.encode();
        let length = u32::try_from(envelope.len()).expect("a name has at most 80 characters");
        let folded_bytes = self.folded.as_ref().map_or(0, |folded| 8 + folded.snapshot.len());
        let mut bytes = Vec::with_capacity(5 + envelope.len() + folded_bytes);
        bytes.push(VERSION);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&envelope);
        if let Some(folded) = &self.folded {
            bytes.extend_from_slice(&folded.revision.to_be_bytes());
            bytes.extend_from_slice(&folded.snapshot);
        }
        Bytes::from(bytes)
    }

    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        if bytes.first() != Some(&VERSION) {
            return None;
        }
        let length = u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?);
        let (envelope, rest) = bytes[5..].split_at_checked(usize::try_from(length).ok()?)?;
        let folded = if rest.is_empty() {
            None
        } else {
            let (revision, snapshot) = rest.split_first_chunk()?;
            Some(Folded { revision: u64::from_be_bytes(*revision), snapshot: bytes.slice_ref(snapshot) })
        };
        Some(Self { envelope: Envelope::decode(envelope)?, folded })
    }
}
