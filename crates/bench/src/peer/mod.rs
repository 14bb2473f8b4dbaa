//! Other products under the same client, in the same run, where they are installed.
//!
//! A folder holds them: what `npm install` and `cargo install --root` put there. What is absent is said and skipped.

pub mod fakecloud;
pub mod restate;

use std::net::TcpListener;
use std::time::{Duration, Instant};

/// How long a product may take to answer its first request.
const READY_MAX: Duration = Duration::from_secs(60);

/// A port that is free now.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Tries until the product answers.
fn until_ready<T>(attempt: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let began = Instant::now();
    loop {
        match attempt() {
            Ok(outcome) => return Ok(outcome),
            Err(error) if began.elapsed() > READY_MAX => return Err(error.context("not ready within a minute")),
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
