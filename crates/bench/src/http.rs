//! As much of HTTP/1.1 as a load generator needs: whole requests out, heads with a length in.

use anyhow::Context;

/// Appends the request that performs an action of the AWS API.
pub fn write_call(request: &mut Vec<u8>, host: &str, action: &str, body: &str) {
    let target = format!("X-Amz-Target: AWSStepFunctions.{action}\r\nContent-Type: application/x-amz-json-1.0\r\n");
    write_post(request, host, "/", &target, body);
}

/// Appends a POST; `headers` is empty or ends in a line break.
pub fn write_post(request: &mut Vec<u8>, host: &str, path: &str, headers: &str, body: &str) {
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    request.extend_from_slice(head.as_bytes());
    request.extend_from_slice(body.as_bytes());
}

/// Appends a GET.
pub fn write_get(request: &mut Vec<u8>, host: &str, path: &str) {
    request.extend_from_slice(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
}

/// What an answer's head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub body_start: usize,
    pub body_end: usize,
}

/// Reads the head of `received`; none until it is complete.
///
/// # Errors
/// No status, or no `Content-Length`.
pub fn read_head(received: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some((text, body_start)) = head_text(received)? else { return Ok(None) };
    let status = text.split(' ').nth(1).context("no status line")?.parse()?;
    let length = content_length(text)?.context("no Content-Length in the answer")?;
    Ok(Some(Head { status, body_start, body_end: body_start + length }))
}

/// A whole request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    pub path: &'a str,
    pub body: &'a [u8],
    /// Where the next one begins.
    pub end: usize,
}

/// Reads the first request of `received`; none until all of it has come.
///
/// # Errors
/// No request line.
pub fn read_request(received: &[u8]) -> anyhow::Result<Option<Request<'_>>> {
    let Some((text, body_start)) = head_text(received)? else { return Ok(None) };
    let path = text.split(' ').nth(1).context("no request line")?;
    let end = body_start + content_length(text)?.unwrap_or(0);
    Ok(received.get(body_start..end).map(|body| Request { path, body, end }))
}

/// The head, and where the body begins.
fn head_text(received: &[u8]) -> anyhow::Result<Option<(&str, usize)>> {
    let Some(end) = find(received, b"\r\n\r\n") else { return Ok(None) };
    Ok(Some((std::str::from_utf8(&received[..end])?, end + 4)))
}

fn content_length(head: &str) -> anyhow::Result<Option<usize>> {
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Ok(length.transpose()?)
}

/// Where `wanted` begins in `bytes`.
pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Where the last `wanted` in `bytes` begins.
pub fn find_last(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}

/// The text of a string member that holds no escapes.
pub fn text_member<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let key = format!("\"{name}\":\"");
    let start = find(body, key.as_bytes())? + key.len();
    let length = body[start..].iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&body[start..start + length]).ok()
}

/// A StartExecution without a name.
pub fn start_request(host: &str, machine: &str, input: &str) -> Vec<u8> {
    let mut start = Vec::new();
    write_call(&mut start, host, "StartExecution", &serde_json::json!({ "stateMachineArn": machine, "input": input }).to_string());
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_complete() {
        let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\ncontent-length: 12\r\n\r\nhello";
        let head = read_head(answer).expect("the head is well formed");
        assert_eq!(head, Some(Head { status: 400, body_start: 74, body_end: 86 }));
        assert_eq!(read_head(&answer[..40]).expect("what is there is well formed"), None);
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn requests_are_read_when_they_are_complete() {
        let requests = b"POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}GET /b HTTP/1.1\r\n\r\n";
        let first = read_request(requests).expect("well formed").expect("complete");
        assert_eq!((first.path, first.body), ("/a", &b"{}"[..]));
        let second = read_request(&requests[first.end..]).expect("well formed").expect("complete");
        assert_eq!((second.path, second.body), ("/b", &b""[..]));
        assert_eq!(read_request(&requests[..first.end - 1]).expect("what is there is well formed"), None);
        assert!(read_request(b"\r\n\r\n").is_err());
    }

    #[test]
    fn members_are_found_in_bodies() {
        let body = br#"{"executionArn":"arn:aws:states","status":"RUNNING"}"#;
        assert_eq!(text_member(body, "status"), Some("RUNNING"));
        assert_eq!(text_member(body, "stopDate"), None);
    }
}
