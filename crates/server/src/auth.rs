//! Who may talk to the server, and whose request it is.
//!
//! Signatures are not verified yet, so a request proves nothing about its sender. What a web page in the developer's
//! browser could send is therefore refused: a `Host` that is not ours (DNS rebinding) and a foreign `Origin`.

use std::net::IpAddr;

use axum::http::{HeaderMap, StatusCode, Uri, header};
use skald_engine::Scope;

use crate::config::Config;
use crate::protocol::ApiError;

/// Whose request it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub scope: Scope,
    /// None for unsigned requests.
    pub access_key: Option<String>,
}

/// SOURCE: our own: the longest region name AWS has is 16 characters.
const REGION_LENGTH_MAX: usize = 32;
/// SOURCE: IAM API reference, `AccessKeyId`.
const ACCESS_KEY_LENGTH_MAX: usize = 128;

/// Refuses hosts and origins that are not ours.
///
/// # Errors
/// 403, naming the setting that allows the host.
pub(crate) fn check_host(headers: &HeaderMap, uri: &Uri, config: &Config) -> Result<(), ApiError> {
    let host = authority(headers, uri);
    let name = host.as_deref().and_then(host_name);
    if !name.as_deref().is_some_and(|name| is_own(name) || is_listed(name, config)) {
        let shown = host.as_deref().unwrap_or("");
        return Err(forbidden(format!(
            "The host '{shown}' is not served: signatures are not verified, so only loopback names and AWS's own are. \
             Allow it with server.allowed_hosts in skald.toml, or --allow-host"
        )));
    }
    for origin in headers.get_all(header::ORIGIN) {
        let text = origin.to_str().unwrap_or("");
        let origin_host = text.split_once("://").map(|(_, rest)| rest);
        let is_same = origin_host.is_some() && origin_host == host.as_deref();
        let is_allowed = origin_host.and_then(host_name).is_some_and(|name| is_listed(&name, config));
        if !is_same && !is_allowed {
            return Err(forbidden(format!(
                "The origin '{text}' is not served: signatures are not verified, so pages of other sites are refused. \
                 Allow its host with server.allowed_hosts in skald.toml, or --allow-host"
            )));
        }
    }
    Ok(())
}

/// Reads region and access key from the signature's scope, and finds the account.
///
/// # Errors
/// `IncompleteSignature` for an `Authorization` header that is none of SigV4.
pub(crate) fn caller(headers: &HeaderMap, config: &Config) -> Result<Caller, ApiError> {
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        return Ok(Caller { scope: scope(&config.default_region, &config.default_account), access_key: None });
    };
    let credential = authorization.to_str().ok().and_then(credential);
    let Some((access_key, region)) = credential else {
        return Err(ApiError::new(
            "IncompleteSignature",
            "Authorization header requires 'AWS4-HMAC-SHA256 Credential=<access key>/<date>/<region>/states/aws4_request'",
        ));
    };
    let account = config.accounts.get(access_key).unwrap_or(&config.default_account);
    Ok(Caller { scope: scope(region, account), access_key: Some(access_key.to_owned()) })
}

/// Access key and region of `AWS4-HMAC-SHA256 Credential=AKID/date/region/service/aws4_request, …`.
fn credential(authorization: &str) -> Option<(&str, &str)> {
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
    let scope = fields.split(',').find_map(|field| field.trim().strip_prefix("Credential="))?;
    // Access keys of other systems may contain slashes: the scope's own four parts are read from the end.
    let mut parts = scope.rsplitn(5, '/');
    let (terminator, _service, region, _date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let access_key = parts.next()?;
    let is_region = (1..=REGION_LENGTH_MAX).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_key = (1..=ACCESS_KEY_LENGTH_MAX).contains(&access_key.len());
    (terminator == "aws4_request" && is_region && is_key).then_some((access_key, region))
}

fn scope(region: &str, account: &str) -> Scope {
    let partition = match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ if region.starts_with("us-isob-") => "aws-iso-b",
        _ if region.starts_with("us-iso-") => "aws-iso",
        _ => "aws",
    };
    Scope { partition: partition.to_owned(), account: account.to_owned(), region: region.to_owned() }
}

/// What the request says it was sent to: the target's authority, else the one `Host` header.
fn authority(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    if let Some(authority) = uri.authority() {
        return Some(authority.as_str().to_owned());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then(|| host.to_owned())
}

/// The name without port, brackets and final dot, in lower case.
fn host_name(authority: &str) -> Option<String> {
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => authority.split(':').next()?,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// Names that only this machine or AWS answers to. SDKs put `sync-` before the host of two operations.
fn is_own(name: &str) -> bool {
    let bare = name.strip_prefix("sync-").unwrap_or(name);
    bare == "localhost"
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || [".amazonaws.com", ".amazonaws.com.cn", ".api.aws"].iter().any(|suffix| name.ends_with(suffix))
}

fn is_listed(name: &str, config: &Config) -> bool {
    let bare = name.strip_prefix("sync-").unwrap_or(name);
    config.allowed_hosts.iter().any(|allowed| {
        let allowed = allowed.to_ascii_lowercase();
        match allowed.strip_prefix('*') {
            Some("") => true,
            Some(suffix) => name.len() > suffix.len() && name.ends_with(suffix),
            None => allowed == name || allowed == bare,
        }
    })
}

fn forbidden(message: String) -> ApiError {
    ApiError::new("AccessDeniedException", message).with_status(StatusCode::FORBIDDEN)
}

#[cfg(test)]
mod tests;
