//! What the fuzz targets share: how an input is read, grown and bounded.
//!
//! An input is a [`Page`]: readable text, so that dictionaries and committed test data serve as seeds. One that begins
//! with [`page::GROWN`] is bytes instead, from which [`grammar`] grows the same. Every run is held to [`bounds`]: a slow or
//! hungry input is a finding like a panic.

pub mod bounds;
pub mod page;
pub mod grammar;
pub mod run;

pub use page::Page;
