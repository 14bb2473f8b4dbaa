//! Maps by entity. Half of an id are random bits, so it is placed by those as they are: the standard hash, made for keys
//! that somebody may have chosen, was a twentieth of the instructions of a saga.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::EntityId;

pub type EntityMap<V> = HashMap<EntityId, V, BuildHasherDefault<IdHasher>>;

pub type EntitySet = HashSet<EntityId, BuildHasherDefault<IdHasher>>;

/// Takes an [`EntityId`] for its own hash.
#[derive(Debug, Default, Clone, Copy)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write_u128(&mut self, id: u128) {
        self.0 = id as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartitionId;

    #[test]
    fn entities_are_found_again() {
        let id = |number: u64| EntityId::new(PartitionId(number as u16 % 4), 1_000, number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let map: EntityMap<u64> = (0..10_000).map(|number| (id(number), number)).collect();
        assert!((0..10_000).all(|number| map.get(&id(number)) == Some(&number)));
        assert!(!map.contains_key(&id(10_000)));
    }
}
