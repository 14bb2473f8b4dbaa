//! The least that a server does for a saga of four Tasks: it calls the functions, and answers. It keeps nothing, checks
//! nothing and signs nothing, so what it costs is HTTP with the client and with the functions.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::own::{self, DESCRIBED, Question, STARTED};
use crate::workload::{ORDER, saga};

struct Relay {
    /// The address that is called.
    called: String,
    connections: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    started: AtomicU64,
    running: Mutex<HashSet<u64>>,
    described_running: String,
}

/// Serves until the process ends.
pub async fn serve(listener: std::net::TcpListener, called: String) -> anyhow::Result<()> {
    let relay = Arc::new(Relay {
        called,
        connections: Mutex::default(),
        started: AtomicU64::new(0),
        running: Mutex::default(),
        described_running: DESCRIBED.replace("SUCCEEDED", "RUNNING"),
    });
    own::accept(listener, move |question| match question {
        Question::Start => relay.start(),
        Question::Describe(body) => relay.describe(&body),
    })
    .await
}

impl Relay {
    fn start(self: &Arc<Self>) -> Body {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        let relay = Arc::clone(self);
        tokio::spawn(async move {
            for step in saga::STEPS {
                if let Err(error) = relay.call(step).await {
                    // It runs for ever, and the client says so.
                    eprintln!("{step}: {error:#}");
                    return;
                }
            }
            relay.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        });
        // The number ends the name.
        Body::from(STARTED.replace("4a5b\"", &format!("4a5b-{number}\"")))
    }

    fn describe(&self, body: &[u8]) -> Body {
        let text = String::from_utf8_lossy(body);
        let number = text.trim_end_matches(['"', '}']).rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
        let runs = number.is_some_and(|number| self.running.lock().unwrap_or_else(PoisonError::into_inner).contains(&number));
        if runs { Body::from(self.described_running.clone()) } else { Body::from(DESCRIBED) }
    }

    async fn call(&self, function: &str) -> anyhow::Result<()> {
        let idle = self.connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut sender = match idle {
            Some(sender) => sender,
            None => {
                let stream = TcpStream::connect(&self.called).await?;
                stream.set_nodelay(true)?;
                let (sender, connection) = handshake(TokioIo::new(stream)).await?;
                // It ends with the process.
                tokio::spawn(async move { drop(connection.await) });
                sender
            }
        };
        let request = Request::post(format!("/2015-03-31/functions/{function}/invocations")).header(header::HOST, &self.called);
        let response = sender.send_request(request.body(Full::from(ORDER))?).await?;
        anyhow::ensure!(response.status().is_success(), "answered {}", response.status());
        drop(response.into_body().collect().await?.to_bytes());
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(sender);
        Ok(())
    }
}
