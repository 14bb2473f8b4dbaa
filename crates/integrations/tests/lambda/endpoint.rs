//! Functions at an endpoint that speaks the Invoke API.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use skald_aws::sigv4::{self, Credentials, Scope};
use skald_integrations::{Integrations, IntegrationsConfig, Outcome, Perform};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Barrier, Semaphore};

use crate::rig::{self, call, call_invoke, failure, output};

/// A request as it came over the wire.
#[derive(Debug, Clone)]
struct Received {
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// An endpoint that answers every request alike and remembers what it got.
struct Fake {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Fake {
    async fn answering(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Self {
        Self::behind(Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)), status, headers, body).await
    }

    /// Each answer takes a permit of `door`.
    async fn behind(door: Arc<Semaphore>, status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let received = Arc::new(Mutex::new(Vec::new()));
        let (remembered, headers) = (Arc::clone(&received), headers.to_vec());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (remembered, headers, door) = (Arc::clone(&remembered), headers.clone(), Arc::clone(&door));
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (remembered, headers, door) = (Arc::clone(&remembered), headers.clone(), Arc::clone(&door));
                    async move {
                        let request = receive(request).await;
                        remembered.lock().expect("no panic").push(request);
                        door.acquire().await.expect("a door that is never closed").forget();
                        let mut response = Response::builder().status(status);
                        for (name, value) in headers {
                            response = response.header(name, value);
                        }
                        Ok::<_, Infallible>(response.body(Full::new(Bytes::from_static(body.as_bytes()))).expect("valid"))
                    }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { url, received }
    }

    fn integrations(&self) -> Integrations {
        with_endpoint(&self.url, Some(credentials()))
    }

    /// The functions that were called so far, by what stands for them in the path.
    fn called(&self) -> Vec<String> {
        let received = self.received.lock().expect("no panic");
        received.iter().map(|request| request.path.split("%3Afunction%3A").nth(1).unwrap_or_default().replace("/invocations", "")).collect()
    }

    fn last(&self) -> Received {
        self.received.lock().expect("no panic").last().expect("a request came").clone()
    }
}

async fn receive(request: Request<hyper::body::Incoming>) -> Received {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect();
    let body = body.collect().await.expect("a whole body").to_bytes();
    Received {
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers,
        body: String::from_utf8(body.to_vec()).expect("text"),
    }
}

fn credentials() -> Credentials {
    Credentials { access_key_id: "AKIDEXAMPLE".to_owned(), secret_access_key: "secret".to_owned(), session_token: Some("token".to_owned()) }
}

fn with_endpoint(url: &str, credentials: Option<Credentials>) -> Integrations {
    let config = IntegrationsConfig { lambda_endpoint: Some(url.to_owned()), credentials, ..rig::config(vec![]) };
    Integrations::new(config).expect("a good endpoint")
}

/// Signs the request anew, from what arrived.
fn check_signature(received: &Received, credentials: &Credentials) {
    let authorization = &received.headers["authorization"];
    let (_, rest) = authorization.split_once("SignedHeaders=").expect("names its headers");
    let (names, _) = rest.split_once(',').expect("a signature follows");
    let headers: Vec<(&str, &str)> = names.split(';').map(|name| (name, received.headers[name].as_str())).collect();
    let request =
        sigv4::Request { method: "POST", path: &received.path, query: &received.query, headers: &headers, body: received.body.as_bytes() };
    let date = &received.headers["x-amz-date"];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let at_seconds = (now - 60..=now).find(|second| sigv4_date(*second) == *date).expect("signed just now");
    let scope = Scope { service: "lambda", region: "eu-west-1", at_seconds };
    let canonical = sigv4::canonical_request(&request, "lambda");
    let to_sign = sigv4::string_to_sign(&canonical.text, &scope);
    let signature = sigv4::signature(&to_sign, &scope, &credentials.secret_access_key);
    assert!(authorization.ends_with(&format!("Signature={signature}")), "{authorization}");
    assert!(authorization.contains(&format!("Credential={}/", credentials.access_key_id)));
}

fn sigv4_date(second: u64) -> String {
    skald_aws::date::amz_date(second)
}

#[tokio::test]
async fn function_elsewhere_is_invoked_by_its_arn_and_signed() {
    let fake = Fake::answering(200, &[("x-amz-executed-version", "3"), ("x-amzn-requestid", "r-1")], r#"{"ok": true}"#).await;
    let outcome = fake.integrations().perform(call("createOrder:prod", r#"{"id":1}"#)).await;
    match outcome {
        Outcome::Succeeded { output } => assert_eq!(output.text(), r#"{"ok": true}"#),
        other => panic!("{other:?}"),
    }
    let received = fake.last();
    let name = "arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3AcreateOrder";
    assert_eq!(received.path, format!("/2015-03-31/functions/{name}/invocations"));
    assert_eq!(received.query, "Qualifier=prod");
    assert_eq!(received.body, r#"{"id":1}"#);
    assert_eq!(received.headers["x-amz-invocation-type"], "RequestResponse");
    assert_eq!(received.headers["x-amz-security-token"], "token");
    check_signature(&received, &credentials());
}

#[tokio::test]
async fn invoke_elsewhere_shows_the_reply() {
    let headers = [("x-amz-executed-version", "3"), ("x-amzn-requestid", "r-1"), ("content-type", "application/json")];
    let fake = Fake::answering(200, &headers, r#"{"ok": true}"#).await;
    let parameters = r#"{"FunctionName":"createOrder","Payload":{"id":1},"ClientContext":"e30="}"#;
    let seen = output(fake.integrations().perform(call_invoke(parameters)).await);
    assert_eq!(seen["ExecutedVersion"], "3");
    assert_eq!(seen["Payload"]["ok"], true);
    assert_eq!(seen["SdkResponseMetadata"]["RequestId"], "r-1");
    assert_eq!(seen["SdkHttpMetadata"]["AllHttpHeaders"]["x-amzn-RequestId"][0], "r-1");
    assert_eq!(seen["SdkHttpMetadata"]["HttpHeaders"]["Content-Type"], "application/json");
    let received = fake.last();
    assert_eq!(received.path, "/2015-03-31/functions/createOrder/invocations");
    assert_eq!(received.headers["x-amz-client-context"], "e30=");
    check_signature(&received, &credentials());
}

#[tokio::test]
async fn event_elsewhere_has_no_payload() {
    let fake = Fake::answering(202, &[], "").await;
    let parameters = r#"{"FunctionName":"createOrder","InvocationType":"Event"}"#;
    let seen = output(fake.integrations().perform(call_invoke(parameters)).await);
    assert_eq!((seen["StatusCode"].as_u64(), seen.get("Payload")), (Some(202), None));
    assert_eq!(fake.last().headers["x-amz-invocation-type"], "Event");
}

#[tokio::test]
async fn failure_elsewhere_is_the_functions() {
    let body = r#"{"errorMessage": "no", "errorType": "OutOfStock"}"#;
    let fake = Fake::answering(200, &[("x-amz-function-error", "Unhandled")], body).await;
    let expected = Outcome::Failed { error: "OutOfStock".to_owned(), cause: body.to_owned() };
    assert_eq!(fake.integrations().perform(call("createOrder", "{}")).await, expected);

    let fake = Fake::answering(200, &[("x-amz-function-error", "Unhandled")], r#"{"errorMessage":"Task timed out"}"#).await;
    assert_eq!(failure(fake.integrations().perform(call("createOrder", "{}")).await).0, "Lambda.Unknown");
}

#[tokio::test]
async fn errors_of_the_service_have_its_names() {
    let cases = [
        (404, "ResourceNotFoundException:http://internal/", "Lambda.ResourceNotFoundException", "ResourceNotFoundException"),
        (429, "TooManyRequestsException", "Lambda.TooManyRequestsException", "TooManyRequestsException"),
        (403, "AccessDeniedException", "Lambda.AWSLambdaException", "AccessDeniedException"),
        (500, "ServiceException", "Lambda.ServiceException", "ServiceException"),
    ];
    for (status, header, error, code) in cases {
        let fake = Fake::answering(status, &[("x-amzn-errortype", header), ("x-amzn-requestid", "r-1")], r#"{"Message":"so it is"}"#).await;
        let cause = format!("so it is (Service: AWSLambda; Status Code: {status}; Error Code: {code}; Request ID: r-1; Proxy: null)");
        let expected = Outcome::Failed { error: error.to_owned(), cause };
        assert_eq!(fake.integrations().perform(call("createOrder", "{}")).await, expected);
    }
}

/// Integrations that call each function at `fake` `at_once` times, and a way to begin calls.
fn limited(fake: &Fake, at_once: u32) -> Arc<Integrations> {
    let config = IntegrationsConfig {
        lambda_endpoint: Some(fake.url.clone()),
        calls_per_function_max: NonZeroU32::new(at_once),
        credentials: Some(credentials()),
        ..rig::config(vec![])
    };
    Arc::new(Integrations::new(config).expect("a good endpoint"))
}

async fn until_called(fake: &Fake, count: usize) -> Vec<String> {
    loop {
        let called = fake.called();
        if called.len() >= count {
            return called;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_elsewhere_beyond_the_limit_of_their_function_wait() {
    let door = Arc::new(Semaphore::new(0));
    let fake = Fake::behind(Arc::clone(&door), 200, &[], "1").await;
    let integrations = limited(&fake, 2);
    let begin = |function: &'static str| {
        let integrations = Arc::clone(&integrations);
        tokio::spawn(async move { integrations.perform(call(function, "{}")).await })
    };
    let busy = [begin("busy"), begin("busy"), begin("busy")];
    until_called(&fake, 2).await;
    let other = begin("other");
    assert_eq!(until_called(&fake, 3).await[2], "other", "one function's calls do not hold up another's");
    door.add_permits(4);
    for call in busy.into_iter().chain([other]) {
        assert_eq!(output(call.await.expect("no panic")), 1);
    }
    assert_eq!(fake.called(), ["busy", "busy", "other", "busy"]);
}

#[tokio::test]
async fn calls_elsewhere_that_wait_when_the_server_stops_are_given_up() {
    let door = Arc::new(Semaphore::new(0));
    let fake = Fake::behind(Arc::clone(&door), 200, &[], "1").await;
    let integrations = limited(&fake, 1);
    let mut running = integrations.perform(call("busy", "{}"));
    tokio::select! {
        outcome = &mut running => panic!("{outcome:?}"),
        _ = until_called(&fake, 1) => {}
    }
    let waiting = integrations.perform(call("busy", "{}"));
    let (outcome, ()) = tokio::join!(waiting, integrations.quiesce());
    assert_eq!(outcome, Outcome::GaveUp);
    door.add_permits(1);
    assert_eq!(output(running.await), 1, "what runs goes on");
    assert_eq!(fake.called(), ["busy"]);
}

#[tokio::test]
async fn unreachable_endpoint_is_a_client_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let (error, cause) = failure(with_endpoint(&url, Some(credentials())).perform(call("createOrder", "{}")).await);
    assert_eq!(error, "Lambda.SdkClientException");
    assert!(cause.as_str().is_some_and(|cause| cause.starts_with("Unable to execute HTTP request: ")), "{cause}");
}

#[tokio::test]
async fn emulators_on_this_machine_need_no_credentials() {
    let fake = Fake::answering(200, &[], "1").await;
    assert_eq!(output(with_endpoint(&fake.url, None).perform(call("createOrder", "{}")).await), 1);
    let made_up = Credentials { access_key_id: "test".to_owned(), secret_access_key: "test".to_owned(), session_token: None };
    check_signature(&fake.last(), &made_up);

    let elsewhere = with_endpoint("http://lambda.example", None).perform(call("createOrder", "{}")).await;
    let (error, cause) = failure(elsewhere);
    assert_eq!(error, "Lambda.SdkClientException");
    assert!(cause.as_str().is_some_and(|cause| cause.contains("AWS_ACCESS_KEY_ID")));
}

#[test]
fn endpoint_without_a_scheme_is_refused() {
    for url in ["localhost", "ftp://localhost", "http://"] {
        let config = IntegrationsConfig { lambda_endpoint: Some(url.to_owned()), ..rig::config(vec![]) };
        let error = Integrations::new(config).err().expect(url);
        assert!(error.to_string().contains(url), "{error}");
    }
}

/// How an endpoint treats its connections.
#[derive(Debug, Clone, Copy)]
enum Keeps {
    Open,
    /// Closes after each answer, and says so.
    Announced,
    /// Closes after each answer, without a word.
    Silent,
}

/// Three calls, one after the other, to an endpoint that treats its connections so: how many it saw.
async fn connections_for_three_calls(keeps: Keeps) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (count, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (counted, closing) = (Arc::clone(&count), Arc::clone(&closed));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            let mut received = Vec::new();
            while stream.read_buf(&mut received).await.is_ok_and(|bytes| bytes > 0) {
                if !received.ends_with(b"\r\n\r\n{}") {
                    continue;
                }
                received.clear();
                let header = if matches!(keeps, Keeps::Announced) { "Connection: close\r\n" } else { "" };
                let answer = format!("HTTP/1.1 200 OK\r\n{header}Content-Length: 1\r\n\r\n7");
                stream.write_all(answer.as_bytes()).await.expect("the client reads");
                if !matches!(keeps, Keeps::Open) {
                    break;
                }
            }
            drop(stream);
            closing.add_permits(1);
        }
    });
    let integrations = with_endpoint(&url, Some(credentials()));
    for _ in 0..3 {
        assert_eq!(output(integrations.perform(call("createOrder", "{}")).await), json!(7), "{keeps:?}");
        if !matches!(keeps, Keeps::Open) {
            closed.acquire().await.expect("never closed").forget();
            // While it waits for a thread, the runtime looks at its sockets.
            tokio::task::spawn_blocking(|| ()).await.expect("nothing panics");
        }
    }
    count.load(Ordering::Relaxed)
}

#[tokio::test]
async fn connections_are_used_again_for_as_long_as_they_are_open() {
    for (keeps, connections) in [(Keeps::Open, 1), (Keeps::Announced, 3), (Keeps::Silent, 3)] {
        assert_eq!(connections_for_three_calls(keeps).await, connections, "{keeps:?}");
    }
}

#[tokio::test]
async fn an_answer_before_all_of_the_request_was_read_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        // It refuses what it has not read, reads no more, and stays.
        let (mut first, _) = listener.accept().await.expect("a connection");
        let _ = first.read(&mut [0; 64]).await.expect("the request begins");
        first
            .write_all(b"HTTP/1.1 413 Too Large\r\nx-amzn-errortype: RequestTooLargeException\r\nContent-Length: 2\r\n\r\n{}")
            .await
            .expect("the client reads");
        let (mut second, _) = listener.accept().await.expect("another connection");
        let mut received = Vec::new();
        while !received.ends_with(b"\r\n\r\n{}") {
            second.read_buf(&mut received).await.expect("the request goes on");
        }
        second.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7").await.expect("the client reads");
        std::future::pending::<()>().await;
    });
    let integrations = with_endpoint(&url, Some(credentials()));
    // More than sockets take in.
    let large = json!("x".repeat(32 << 20)).to_string();
    assert_eq!(failure(integrations.perform(call("createOrder", &large)).await).0, "Lambda.RequestTooLargeException");
    let patience = std::time::Duration::from_secs(60);
    let small = call("createOrder", "{}");
    let answered = tokio::time::timeout(patience, integrations.perform(small)).await.expect("it does not wait for the other");
    assert_eq!(output(answered), json!(7));
}

#[tokio::test]
async fn a_call_passes_over_many_connections_that_broke_while_idle() {
    const CALLS: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (all_there, breaking, broken) = (Arc::new(Barrier::new(CALLS)), Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (crowd, may_break, has_broken) = (Arc::clone(&all_there), Arc::clone(&breaking), Arc::clone(&broken));
    tokio::spawn(async move {
        for number in 0.. {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let (crowd, may_break, has_broken) = (Arc::clone(&crowd), Arc::clone(&may_break), Arc::clone(&has_broken));
            tokio::spawn(async move {
                let mut received = Vec::new();
                while !received.ends_with(b"\r\n\r\n{}") {
                    stream.read_buf(&mut received).await.expect("the request goes on");
                }
                if number < CALLS {
                    // So that each call has a connection of its own.
                    crowd.wait().await;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7").await.expect("the client reads");
                may_break.acquire().await.expect("never closed").forget();
                stream.set_zero_linger().expect("a socket");
                drop(stream);
                has_broken.add_permits(1);
            });
        }
    });
    let integrations = Arc::new(with_endpoint(&url, Some(credentials())));
    let perform = |integrations: Arc<Integrations>| async move { output(integrations.perform(call("createOrder", "{}")).await) };
    let calls: Vec<_> = (0..CALLS).map(|_| tokio::spawn(perform(Arc::clone(&integrations)))).collect();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), json!(7));
    }
    breaking.add_permits(CALLS);
    broken.acquire_many(CALLS as u32).await.expect("never closed").forget();
    tokio::task::spawn_blocking(|| ()).await.expect("nothing panics");
    let patience = std::time::Duration::from_secs(60);
    let answered = tokio::time::timeout(patience, perform(integrations)).await.expect("it is not left waiting");
    assert_eq!(answered, json!(7));
}
