//! What functions print: each line becomes a log line with the function's name and the request it was printed under.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::lambda::runtime_api::RequestIds;

/// Bytes of one logged line; a longer one is cut into several.
const LINE_BYTES_MAX: usize = 16 * 1_024;

/// Reads to the end. A pipe that nobody reads would stop the function, so nothing else ends this.
pub async fn forward(mut stream: impl AsyncRead + Unpin, function: String, request_ids: RequestIds) {
    let mut buffer = Vec::with_capacity(LINE_BYTES_MAX);
    let mut chunk = [0u8; 8 * 1_024];
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        for part in chunk[..count].split_inclusive(|byte| *byte == b'\n') {
            buffer.extend_from_slice(part);
            if part.ends_with(b"\n") || buffer.len() >= LINE_BYTES_MAX {
                log(&buffer, &function, &request_ids);
                buffer.clear();
            }
        }
    }
    if !buffer.is_empty() {
        log(&buffer, &function, &request_ids);
    }
}

fn log(line: &[u8], function: &str, request_ids: &RequestIds) {
    let line = String::from_utf8_lossy(line);
    let line = line.trim_end();
    if !line.is_empty() {
        tracing::info!(target: "lambda", function, request_id = request_ids.latest(), "{line}");
    }
}
