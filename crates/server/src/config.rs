//! What a server is told: accounts, hosts and limits.

use std::collections::BTreeMap;
use std::time::Duration;

/// Whom the server serves, and within which limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// The account of access keys that `accounts` does not name, and of unsigned requests.
    pub default_account: String,
    /// Access key → account.
    pub accounts: BTreeMap<String, String>,
    /// The region of unsigned requests.
    pub default_region: String,
    /// Host names that are answered beside loopback and AWS's own: a name, `*.suffix`, or `*`.
    pub allowed_hosts: Vec<String>,
    pub limits: Limits,
}

/// Bounds on what clients may do to the server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections beyond wait in the listener's backlog.
    pub connections_max: usize,
    /// With more connections than these, one on which nothing is asked keeps no buffers; they take 16 KiB.
    pub connections_buffered_max: usize,
    pub header_bytes_max: usize,
    pub body_bytes_max: usize,
    /// What bodies of 16 KiB and more may take together; those beyond wait. As much again for answers of that size; those
    /// beyond are throttled.
    pub large_bodies_bytes_max: usize,
    /// From a request's first byte to the end of its headers.
    pub head_timeout: Duration,
    /// From the end of the headers to the end of the body.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// How long `GetActivityTask` waits for a task.
    pub poll_patience: Duration,
    /// How long requests that are running at shutdown may take to finish.
    pub drain_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            default_account: "123456789012".to_owned(),
            accounts: BTreeMap::new(),
            default_region: "us-east-1".to_owned(),
            allowed_hosts: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            connections_buffered_max: 512,
            header_bytes_max: 64 * 1024,
            // SOURCE: api.md: a definition has up to 1,048,576 characters, which JSON's escapes may double.
            body_bytes_max: 2 * 1_048_576 + 64 * 1024,
            large_bodies_bytes_max: 64 << 20,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(120),
            // SOURCE: api.md, GetActivityTask.
            poll_patience: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
