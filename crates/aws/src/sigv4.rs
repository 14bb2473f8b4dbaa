//! Signature Version 4 over a request's headers: what an AWS service expects of its caller.
//!
//! [`sign`] returns the headers to add. The canonical request and the string to sign are public, because verifying a
//! signature builds the same ones.
//!
//! Not here, on purpose: presigned URLs and chunked bodies. The instant is an argument.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::date::amz_date;
use crate::hex::hex;

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

/// The headers that make `request` a signed one, `authorization` last.
pub fn sign(request: &Request<'_>, scope: &Scope<'_>, credentials: &Credentials) -> Vec<(&'static str, String)> {
    let date = amz_date(scope.at_seconds);
    let mut added = vec![("x-amz-date", date)];
    if let Some(token) = &credentials.session_token {
        added.push(("x-amz-security-token", token.clone()));
    }
    let mut headers: Vec<(&str, &str)> = request.headers.to_vec();
    headers.extend(added.iter().map(|(name, value)| (*name, value.as_str())));

    let canonical = canonical_request(&Request { headers: &headers, ..request.clone() }, scope.service);
    let to_sign = string_to_sign(&canonical.text, scope);
    let signature = signature(&to_sign, scope, &credentials.secret_access_key);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}",
        credentials.access_key_id,
        scope_text(scope),
        canonical.signed_headers,
    );
    added.push(("authorization", authorization));
    added
}

/// The canonical form of a request, and the names of its headers as `SignedHeaders` lists them.
pub struct CanonicalRequest {
    pub text: String,
    pub signed_headers: String,
}

/// The request as both sides write it before hashing it. Every header given is signed.
pub fn canonical_request(request: &Request<'_>, service: &str) -> CanonicalRequest {
    let mut headers: Vec<(String, &str)> = request.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
    // Stable: several values of one header keep their order.
    headers.sort_by(|left, right| left.0.cmp(&right.0));
    let mut text = String::with_capacity(512);
    text.extend([request.method, "\n"]);
    push_canonical_path(&mut text, request.path, service);
    text.extend(["\n", &canonical_query(request.query), "\n"]);
    let mut signed_headers = String::with_capacity(64);
    for same in headers.chunk_by(|left, right| left.0 == right.0) {
        let name = same[0].0.as_str();
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
    text.extend(["\n", &signed_headers, "\n", &hex(&Sha256::digest(request.body))]);
    CanonicalRequest { text, signed_headers }
}

/// What the signature is computed over.
pub fn string_to_sign(canonical_request: &str, scope: &Scope<'_>) -> String {
    format!(
        "AWS4-HMAC-SHA256\n{}\n{}\n{}",
        amz_date(scope.at_seconds),
        scope_text(scope),
        hex(&Sha256::digest(canonical_request.as_bytes())),
    )
}

/// The signature of `string_to_sign`, in hexadecimal.
pub fn signature(string_to_sign: &str, scope: &Scope<'_>, secret_access_key: &str) -> String {
    let date = amz_date(scope.at_seconds);
    let key = mac(format!("AWS4{secret_access_key}").as_bytes(), &date.as_bytes()[..8]);
    let key = mac(&key, scope.region.as_bytes());
    let key = mac(&key, scope.service.as_bytes());
    let key = mac(&key, b"aws4_request");
    hex(&mac(&key, string_to_sign.as_bytes()))
}

/// Percent-encodes all but letters, digits, `-`, `.`, `_`, `~`.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        push_encoded(&mut encoded, byte);
    }
    encoded
}

fn scope_text(scope: &Scope<'_>) -> String {
    format!("{}/{}/{}/aws4_request", &amz_date(scope.at_seconds)[..8], scope.region, scope.service)
}

/// A header's value, with one blank for however many.
fn push_trimmed(text: &mut String, value: &str) {
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
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    for segment in &segments {
        text.push('/');
        for byte in segment.bytes() {
            push_encoded(text, byte);
        }
    }
    if segments.is_empty() || path.ends_with('/') {
        text.push('/');
    }
}

/// Sorted by name, then value, as encoded on the wire; a name without `=` has an empty value.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(&str, &str)> =
        query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn push_encoded(text: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
        text.push(char::from(byte));
    } else {
        let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
        text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
    }
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests;
