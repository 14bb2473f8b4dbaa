//! Which keys may be in memory: a filter over what was written since the cold tree was last flushed.
//!
//! The tree has filters for its tables and none for its memtables, and whoever begins something asks for what is not
//! there: a new name, a new execution. Each such answer would cost a walk down a list of a hundred thousand entries.

use std::sync::atomic::{AtomicU64, Ordering};

/// One for what may still be written, one for what is being flushed.
pub(super) struct Recent {
    active: Filter,
    sealed: Filter,
}

/// A Bloom filter of 256 KiB, in blocks of 64 bytes. A memtable of 16 MiB with small rows has about 150,000 keys, 14 bits for
/// each. A larger one fills it: it then finds more that is not there, never less.
struct Filter(Box<[AtomicU64]>);

const WORDS: usize = 1 << 15;
const BLOCK_WORDS: usize = 8;
/// Bits that a key sets in its block.
const BITS: u32 = 4;

impl Recent {
    pub(super) fn new() -> Self {
        Self { active: Filter::new(), sealed: Filter::new() }
    }

    /// To be called before the key is written.
    pub(super) fn add(&self, hash: u64) {
        self.active.add(hash);
    }

    /// False: no key of this hash was written since before the last flush began.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        // In this order: what is sealed meanwhile is seen in both, not in neither.
        self.active.may_have(hash) || self.sealed.may_have(hash)
    }

    /// What was written until now will be in the next flush. Nobody adds meanwhile.
    pub(super) fn seal(&self) {
        for (sealed, active) in self.sealed.0.iter().zip(&self.active.0) {
            let bits = active.load(Ordering::Acquire);
            if bits != 0 {
                sealed.fetch_or(bits, Ordering::AcqRel);
            }
        }
        self.active.clear();
    }

    /// What was sealed can be read from tables. Nobody seals meanwhile.
    pub(super) fn flushed(&self) {
        self.sealed.clear();
    }
}

impl Filter {
    fn new() -> Self {
        Self((0..WORDS).map(|_| AtomicU64::new(0)).collect())
    }

    fn places(hash: u64) -> impl Iterator<Item = (usize, u64)> {
        let block = hash as usize % (WORDS / BLOCK_WORDS) * BLOCK_WORDS;
        (1..=BITS).map(move |number| {
            // Nine bits each, from the top: none of those that chose the block.
            let bit = (hash >> (64 - 9 * number)) as usize % (BLOCK_WORDS * 64);
            (block + bit / 64, 1 << (bit % 64))
        })
    }

    fn add(&self, hash: u64) {
        for (word, bit) in Self::places(hash) {
            self.0[word].fetch_or(bit, Ordering::AcqRel);
        }
    }

    fn may_have(&self, hash: u64) -> bool {
        Self::places(hash).all(|(word, bit)| self.0[word].load(Ordering::Acquire) & bit != 0)
    }

    fn clear(&self) {
        for word in &self.0 {
            if word.load(Ordering::Acquire) != 0 {
                word.store(0, Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::workload::Random;

    #[test]
    fn what_was_added_is_found_until_it_is_flushed() {
        let recent = Recent::new();
        let mut random = Random::new(7);
        let (first, second): (Vec<u64>, Vec<u64>) = (0..2_000).map(|_| (random.roll(), random.roll())).unzip();
        let has_all = |hashes: &[u64]| hashes.iter().all(|hash| recent.may_have(*hash));
        first.iter().for_each(|hash| recent.add(*hash));
        assert!(has_all(&first));
        recent.seal();
        second.iter().for_each(|hash| recent.add(*hash));
        assert!(has_all(&first) && has_all(&second), "one part is sealed, one is not");
        recent.flushed();
        assert!(has_all(&second));
        assert!(first.iter().filter(|hash| recent.may_have(**hash)).count() < 20, "flushed ones are gone");
    }

    #[test]
    fn few_others_are_found_in_a_full_one() {
        let recent = Recent::new();
        let mut random = Random::new(11);
        for _ in 0..150_000 {
            recent.add(random.roll());
        }
        let found = (0..100_000).filter(|_| recent.may_have(random.roll())).count();
        assert!(found < 1_500, "{found} of 100,000");
    }
}
