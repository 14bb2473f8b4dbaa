//! `nextToken`: where a list goes on, opaque to clients.
//!
//! Base64 of: version (1 byte), list (1), hash of the arguments (8), issued at (8, milliseconds), cursor (the rest),
//! checksum (8). A token of another list, of other arguments, garbled, or older than a day is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use skald_engine::Scope;

use crate::protocol::ApiError;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 18;
const CHECKSUM_BYTES: usize = 8;
/// SOURCE: API reference, `nextToken`: each token expires after 24 hours.
const LIFETIME_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// Which list a token belongs to. The numbers are in tokens that clients hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum List {
    StateMachines = 1,
    Activities = 2,
    Executions = 3,
    History = 4,
}

/// A list with its arguments, which must stay the same from page to page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query {
    list: List,
    arguments_hash: [u8; 8],
}

impl Query {
    pub(crate) fn new(list: List, scope: &Scope, arguments: &[&str]) -> Self {
        let Scope { partition, account, region } = scope;
        let mut hash = Sha256::new();
        for part in [partition.as_str(), account, region].iter().chain(arguments) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self { list, arguments_hash: first_8(hash) }
    }

    pub(crate) fn issue(&self, cursor: &[u8], now_millis: i64) -> String {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + cursor.len() + CHECKSUM_BYTES);
        bytes.push(VERSION);
        bytes.push(self.list as u8);
        bytes.extend_from_slice(&self.arguments_hash);
        bytes.extend_from_slice(&now_millis.to_be_bytes());
        bytes.extend_from_slice(cursor);
        bytes.extend_from_slice(&checksum(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor of a token that was issued for this list.
    ///
    /// # Errors
    /// `InvalidToken`, whatever is wrong with it.
    pub(crate) fn accept(&self, token: &str, now_millis: i64) -> Result<Vec<u8>, ApiError> {
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| ApiError::invalid_token())?;
        let (content, sum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or_else(ApiError::invalid_token)?;
        if *sum != checksum(content) {
            return Err(ApiError::invalid_token());
        }
        let (head, cursor) = content.split_first_chunk::<HEAD_BYTES>().ok_or_else(ApiError::invalid_token)?;
        let issued = i64::from_be_bytes(head[10..18].try_into().expect("eight bytes of eighteen"));
        let is_ours = head[0] == VERSION && head[1] == self.list as u8 && head[2..10] == self.arguments_hash;
        // A clock that stepped back makes tokens look issued later: they are young.
        let is_fresh = now_millis.saturating_sub(issued) < LIFETIME_MILLIS;
        if is_ours && is_fresh { Ok(cursor.to_vec()) } else { Err(ApiError::invalid_token()) }
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    first_8(Sha256::new().chain_update(bytes))
}

fn first_8(hash: Sha256) -> [u8; 8] {
    let digest: [u8; 32] = hash.finalize().into();
    *digest.first_chunk().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests;
