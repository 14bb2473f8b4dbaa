//! Whose request it is: every key begins with this.

/// AWS partition, account and region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// `aws`, `aws-cn`, …
    pub partition: String,
    pub account: String,
    pub region: String,
}
