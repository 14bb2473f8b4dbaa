//! What goes wrong, and at which append.

/// A fault at the append of this number; the first is 1, counted over all lives of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub append: u64,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The process dies; the batch is not durable.
    CrashBefore,
    /// The process dies; the batch is durable, and nobody was told.
    CrashAfter,
    /// There is no room, for this append and the next ones.
    Full { appends: u64 },
    /// It is not known whether the batch was written: it was.
    UnknownWritten,
    /// It is not known whether the batch was written: it was not.
    UnknownLost,
    /// Someone else was first; nothing was written.
    Conflict,
    /// The batch is durable, and then another engine takes the partitions over; this one lives on, and must notice.
    Takeover,
}

impl FaultKind {
    /// All of them, for a sweep.
    pub const ALL: [Self; 7] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Full { appends: 2 },
        Self::UnknownWritten,
        Self::UnknownLost,
        Self::Conflict,
        Self::Takeover,
    ];
}
