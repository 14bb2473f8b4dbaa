//! Room in memory for large texts: bodies of requests while they are read and answered, and answers until they are
//! written. Small ones need no place: the number of connections bounds them.

use std::sync::Arc;

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From this size on, a text needs a place.
const LARGE_BYTES: usize = 16 * 1024;

/// See the module. Counted in KiB.
pub(crate) struct Room {
    free: Arc<Semaphore>,
    kib: u32,
}

/// Of a text, until this is dropped.
pub(crate) struct Place {
    permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let kib = u32::try_from(bytes_max / 1024).unwrap_or(u32::MAX).min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self { free: Arc::new(Semaphore::new(kib as usize)), kib }
    }

    /// Waits for a place; first come, first served.
    pub(crate) async fn wait(&self, bytes: usize) -> Place {
        let permit = match self.needed(bytes) {
            None => None,
            Some(kib) => Some(Arc::clone(&self.free).acquire_many_owned(kib).await.expect("the semaphore is never closed")),
        };
        Place { permit }
    }

    /// A place, if there is one now.
    pub(crate) fn take(&self, bytes: usize) -> Option<Place> {
        match self.needed(bytes) {
            None => Some(Place { permit: None }),
            Some(kib) => Arc::clone(&self.free).try_acquire_many_owned(kib).ok().map(|permit| Place { permit: Some(permit) }),
        }
    }

    /// What is larger than all the room has it alone.
    fn needed(&self, bytes: usize) -> Option<u32> {
        (bytes >= LARGE_BYTES).then(|| u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.kib))
    }
}

impl Place {
    /// The text, which has this place for as long as anybody holds it.
    pub(crate) fn hold(self, text: Vec<u8>) -> Bytes {
        match self.permit {
            None => Bytes::from(text),
            Some(_) => Bytes::from_owner(Held { text, _place: self }),
        }
    }
}

struct Held {
    text: Vec<u8>,
    _place: Place,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}
