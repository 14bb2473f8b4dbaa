//! Task tokens: they say where they belong and carry a MAC, so that there is no table and no forging.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use skald_interpreter::EventId;
use skald_store::EntityId;

/// The form of a token; another one is refused.
const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;
const BODY_BYTES: usize = 1 + 4 + 16 + 8 + 8;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub entity: EntityId,
    pub scheduled: EventId,
    /// Recorded with the scheduled event: a token from before a restored backup fits no other task.
    pub nonce: u64,
}

/// The keys that sign tokens: the newest signs, all verify.
#[derive(Clone)]
pub struct KeyRing {
    /// Never empty; an id and its secret.
    keys: Vec<(u32, [u8; 32])>,
}

/// The text is no token of this store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Invalid token")]
pub struct Invalid;

impl KeyRing {
    /// A ring of one key.
    pub fn of(secret: [u8; 32]) -> Self {
        Self { keys: vec![(1, secret)] }
    }

    pub fn mint(&self, token: Token) -> String {
        let (id, secret) = self.keys.last().expect("a ring has a key");
        let mut bytes = Vec::with_capacity(BODY_BYTES + MAC_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&id.to_be_bytes());
        bytes.extend_from_slice(&token.entity.to_bytes());
        bytes.extend_from_slice(&token.scheduled.to_be_bytes());
        bytes.extend_from_slice(&token.nonce.to_be_bytes());
        let mac = authenticator(secret, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token that one of the ring's keys signed.
    ///
    /// # Errors
    /// [`Invalid`] for everything else.
    pub fn verify(&self, text: &str) -> Result<Token, Invalid> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid)?;
        if bytes.len() != BODY_BYTES + MAC_BYTES || bytes[0] != VERSION {
            return Err(Invalid);
        }
        let (body, mac) = bytes.split_at(BODY_BYTES);
        let id = u32::from_be_bytes(body[1..5].try_into().map_err(|_| Invalid)?);
        let (_, secret) = self.keys.iter().find(|(key, _)| *key == id).ok_or(Invalid)?;
        authenticator(secret, body).verify_truncated_left(mac).map_err(|_| Invalid)?;
        Ok(Token {
            entity: EntityId::from_bytes(body[5..21].try_into().map_err(|_| Invalid)?),
            scheduled: EventId::from_be_bytes(body[21..29].try_into().map_err(|_| Invalid)?),
            nonce: u64::from_be_bytes(body[29..37].try_into().map_err(|_| Invalid)?),
        })
    }

    /// As it is stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.keys.iter().flat_map(|(id, secret)| id.to_be_bytes().into_iter().chain(*secret)).collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let keys = bytes
            .chunks(36)
            .map(|chunk| Some((u32::from_be_bytes(chunk.get(..4)?.try_into().ok()?), chunk.get(4..36)?.try_into().ok()?)))
            .collect::<Option<Vec<_>>>()?;
        (!keys.is_empty()).then_some(Self { keys })
    }
}

fn authenticator(secret: &[u8; 32], body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(body);
    mac
}
