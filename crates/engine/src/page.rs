//! Pages of lists: what the API's tokens are made of.

/// Some items, and where the next page begins; none at the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Opaque to everyone but the list that made it.
    pub next: Option<Vec<u8>>,
}

/// Which page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At least 1.
    pub limit: usize,
    /// [`Page::next`] of the page before.
    pub cursor: Option<Vec<u8>>,
}
