//! Signature Version 4 over a request's headers: what an AWS service expects of its caller.
//!
//! [`Signer::sign`] returns the headers to add. The canonical request and the string to sign are public, because verifying a
//! signature builds the same ones.
//!
//! Not here, on purpose: presigned URLs and chunked bodies. The instant is an argument.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::arn::split;
use crate::date::amz_date;
use crate::hex::{hex, push_hex};

/// A day's letters at the beginning of `x-amz-date`.
const DAY_BYTES: usize = 8;

/// By byte, whether it goes as it is into a URI.
static UNRESERVED: [bool; 256] = {
    let mut unreserved = [false; 256];
    let mut byte = 0;
    while byte < unreserved.len() {
        let code = byte as u8;
        unreserved[byte] = code.is_ascii_alphanumeric() || matches!(code, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    unreserved
};

/// Who signs.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: Option<String>,
}

/// A request before it is signed.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub method: &'a str,
    /// The path as it goes over the wire: percent-encoded already.
    pub path: &'a str,
    /// The query as it goes over the wire, without `?`; empty for none.
    pub query: &'a str,
    /// Headers to be signed, `host` among them. Neither `x-amz-date` nor the token: those are added.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// For which service, where and when.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub service: &'a str,
    pub region: &'a str,
    /// Seconds since 1970.
    pub at_seconds: u64,
}

// No secret leaves through a log line.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// Signs requests to one service in one region.
///
/// The key of a signature is that of its day; the last one is kept, since making it costs as much as four signatures.
pub struct Signer {
    credentials: Credentials,
    service: String,
    region: String,
    latest: Mutex<Option<DayKey>>,
}

#[derive(Clone)]
struct DayKey {
    day: String,
    key: Hmac<Sha256>,
}

impl Signer {
    pub fn new(credentials: Credentials, service: &str, region: &str) -> Self {
        Self { credentials, service: service.to_owned(), region: region.to_owned(), latest: Mutex::default() }
    }

    /// The headers that make `request` a signed one at this second since 1970, `authorization` last.
    pub fn sign(&self, request: &Request<'_>, at_seconds: u64) -> Vec<(&'static str, String)> {
        let scope = Scope { service: &self.service, region: &self.region, at_seconds };
        let date = amz_date(at_seconds);
        let mut headers: Vec<(&str, &str)> = Vec::with_capacity(request.headers.len() + 2);
        headers.extend(request.headers);
        headers.push(("x-amz-date", &date));
        headers.extend(self.credentials.session_token.as_deref().map(|token| ("x-amz-security-token", token)));

        let canonical = canonical_request(&Request { headers: &headers, ..request.clone() }, &self.service);
        let key = self.key_of_day(&date[..DAY_BYTES], &scope);
        let mut authorization = String::with_capacity(256);
        authorization.extend(["AWS4-HMAC-SHA256 Credential=", &self.credentials.access_key_id, "/"]);
        push_scope(&mut authorization, &date, &scope);
        authorization.extend([", SignedHeaders=", &canonical.signed_headers, ", Signature="]);
        push_hex(&mut authorization, &finish(key, dated_string_to_sign(&canonical.text, &date, &scope).as_bytes()));

        let mut added = Vec::with_capacity(3);
        added.push(("x-amz-date", date));
        added.extend(self.credentials.session_token.clone().map(|token| ("x-amz-security-token", token)));
        added.push(("authorization", authorization));
        added
    }

    fn key_of_day(&self, day: &str, scope: &Scope<'_>) -> Hmac<Sha256> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some(known) if known.day == day => known.key.clone(),
            Some(_) | None => {
                let key = signing_key(scope, day, &self.credentials.secret_access_key);
                *latest = Some(DayKey { day: day.to_owned(), key: key.clone() });
                key
            }
        }
    }
}

/// The canonical form of a request, and the names of its headers as `SignedHeaders` lists them.
pub struct CanonicalRequest {
    pub text: String,
    pub signed_headers: String,
}

/// The request as both sides write it before hashing it. Every header given is signed.
pub fn canonical_request(request: &Request<'_>, service: &str) -> CanonicalRequest {
    let mut headers: Vec<(Cow<'_, str>, &str)> = request.headers.iter().map(|(name, value)| (lower_case(name), *value)).collect();
    // Stable: several values of one header keep their order.
    headers.sort_by(|left, right| left.0.cmp(&right.0));
    let mut text = String::with_capacity(512);
    text.extend([request.method, "\n"]);
    push_canonical_path(&mut text, request.path, service);
    text.push('\n');
    push_canonical_query(&mut text, request.query);
    text.push('\n');
    let mut signed_headers = String::with_capacity(64);
    for same in headers.chunk_by(|left, right| left.0 == right.0) {
        let name = &*same[0].0;
        signed_headers.extend([if signed_headers.is_empty() { "" } else { ";" }, name]);
        let mut before = ":";
        text.push_str(name);
        for (_, value) in same {
            text.push_str(before);
            push_trimmed(&mut text, value);
            before = ",";
        }
        text.push('\n');
    }
    text.extend(["\n", &signed_headers, "\n"]);
    push_hex(&mut text, &Sha256::digest(request.body));
    CanonicalRequest { text, signed_headers }
}

/// What the signature is computed over.
pub fn string_to_sign(canonical_request: &str, scope: &Scope<'_>) -> String {
    dated_string_to_sign(canonical_request, &amz_date(scope.at_seconds), scope)
}

fn dated_string_to_sign(canonical_request: &str, date: &str, scope: &Scope<'_>) -> String {
    let mut text = String::with_capacity(192);
    text.extend(["AWS4-HMAC-SHA256\n", date, "\n"]);
    push_scope(&mut text, date, scope);
    text.push('\n');
    push_hex(&mut text, &Sha256::digest(canonical_request.as_bytes()));
    text
}

/// The signature of `string_to_sign`, in hexadecimal.
pub fn signature(string_to_sign: &str, scope: &Scope<'_>, secret_access_key: &str) -> String {
    let date = amz_date(scope.at_seconds);
    hex(&finish(signing_key(scope, &date[..DAY_BYTES], secret_access_key), string_to_sign.as_bytes()))
}

/// Puts `plain` behind what `text` holds, percent-encoded but for letters, digits, `-`, `.`, `_`, `~`.
pub fn push_encoded(text: &mut String, plain: &str) {
    let mut rest = plain;
    while let Some(index) = rest.bytes().position(|byte| !UNRESERVED[usize::from(byte)]) {
        // Reserved ASCII, or the first byte of a character of several.
        let (before, reserved) = rest.split_at(index);
        text.push_str(before);
        let (character, behind) = reserved.split_at(reserved.chars().next().map_or(1, char::len_utf8));
        for byte in character.bytes() {
            let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
            text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
        rest = behind;
    }
    text.push_str(rest);
}

fn push_scope(text: &mut String, date: &str, scope: &Scope<'_>) {
    text.extend([&date[..DAY_BYTES], "/", scope.region, "/", scope.service, "/aws4_request"]);
}

fn lower_case(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// A header's value, with one blank for however many.
fn push_trimmed(text: &mut String, value: &str) {
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        text.push_str(value);
        return;
    }
    for (index, word) in value.split_whitespace().enumerate() {
        text.extend([if index == 0 { "" } else { " " }, word]);
    }
}

/// Every service but S3 sees the path of the wire encoded once more, without empty and dot segments.
fn push_canonical_path(text: &mut String, path: &str, service: &str) {
    if service == "s3" && !path.is_empty() {
        text.push_str(path);
        return;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in split(path, b'/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    for segment in &segments {
        text.push('/');
        push_encoded(text, segment);
    }
    if segments.is_empty() || path.ends_with('/') {
        text.push('/');
    }
}

/// Sorted by name, then value, as encoded on the wire; a name without `=` has an empty value.
fn push_canonical_query(text: &mut String, query: &str) {
    let mut pairs: Vec<(&str, &str)> =
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.into_iter().enumerate() {
        text.extend([if index == 0 { "" } else { "&" }, name, "=", value]);
    }
}

fn signing_key(scope: &Scope<'_>, day: &str, secret_access_key: &str) -> Hmac<Sha256> {
    let steps = [day, scope.region, scope.service, "aws4_request"];
    let first = keyed(format!("AWS4{secret_access_key}").as_bytes());
    steps.iter().fold(first, |key, step| keyed(&finish(key, step.as_bytes())))
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn finish(mut mac: Hmac<Sha256>, data: &[u8]) -> [u8; 32] {
    mac.update(data);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
