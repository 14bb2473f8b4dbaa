//! Functions that live elsewhere: the Invoke API over HTTP, signed.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use skald_aws::lambda::FunctionReference;
use skald_aws::sigv4::{self, Credentials, Scope, percent_encode};

use crate::config::ConfigError;
use crate::lambda::gate::{Gates, Shut};
use crate::lambda::invoke::{InvocationType, InvokeRequest, Reply};
use crate::lambda::runtime_api::ANSWER_BYTES_MAX;
use crate::lambda::{Invoked, failure, throttled};
use crate::{Call, Outcome};

const CONNECT_SECONDS_MAX: u64 = 10;

/// The longest a function may take, and a little.
const REPLY_SECONDS_MAX: u64 = 910;

/// See the module.
pub struct Endpoint {
    /// `http` or `https`.
    scheme: String,
    /// As the `Host` header says it.
    authority: String,
    /// Before every path; empty or without a trailing slash.
    base_path: String,
    region: String,
    credentials: Option<Credentials>,
    client: Transport,
    gates: Gates,
}

enum Transport {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Endpoint {
    /// Without credentials, an endpoint on this machine is called with made-up ones, as emulators expect.
    pub fn new(url: &str, region: &str, credentials: Option<Credentials>, gates: Gates) -> Result<Self, ConfigError> {
        let refused = |reason: String| ConfigError::Endpoint { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|error| refused(format!("{error}")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(refused("write it with scheme and host, such as http://localhost:4566".to_owned()));
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECONDS_MAX)));
        connector.set_nodelay(true);
        let client = match scheme {
            "http" => Transport::Plain(Client::builder(TokioExecutor::new()).build(connector)),
            "https" => {
                connector.enforce_http(false);
                let builder = HttpsConnectorBuilder::new().with_native_roots();
                let builder = builder.map_err(|error| refused(format!("no certificates to trust: {error}")))?;
                let connector = builder.https_only().enable_http1().wrap_connector(connector);
                Transport::Tls(Client::builder(TokioExecutor::new()).build(connector))
            }
            other => return Err(refused(format!("the scheme {other} is neither http nor https"))),
        };
        let default_port = if scheme == "http" { 80 } else { 443 };
        let host = authority.host();
        let authority = match authority.port_u16() {
            Some(port) if port != default_port => format!("{host}:{port}"),
            Some(_) | None => host.to_owned(),
        };
        let credentials = credentials.or_else(|| is_loopback(host).then(made_up_credentials));
        Ok(Self {
            scheme: scheme.to_owned(),
            authority,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            region: region.to_owned(),
            credentials,
            client,
            gates,
        })
    }

    /// Calls that wait for their turn give up, running ones go on.
    pub(super) fn quiesce(&self) {
        self.gates.close();
    }

    /// Calls the function once, when its turn has come. The call goes on then when the caller goes away.
    pub(super) async fn invoke(self: Arc<Self>, request: InvokeRequest, call: Call) -> Invoked {
        let pass = match self.gates.of(addressed(&request.function, &call)).pass().await {
            Ok(pass) => pass,
            Err(Shut::Crowded) => return throttled(&call),
            Err(Shut::Closed) => return Invoked::Refused(Outcome::GaveUp),
        };
        let work = tokio::spawn(async move {
            let _pass = pass;
            let limit = Duration::from_secs(REPLY_SECONDS_MAX);
            match tokio::time::timeout(limit, self.exchange(&request, &call)).await {
                Ok(invoked) => invoked,
                Err(_) => refused(&format!("no reply within {REPLY_SECONDS_MAX} seconds")),
            }
        });
        work.await.unwrap_or(Invoked::Refused(Outcome::GaveUp))
    }

    async fn exchange(&self, request: &InvokeRequest, call: &Call) -> Invoked {
        let Some(credentials) = &self.credentials else {
            return refused("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
        };
        let http_request = match self.http_request(request, call, credentials) {
            Ok(http_request) => http_request,
            Err(error) => return refused(&error.to_string()),
        };
        let sent = match &self.client {
            Transport::Plain(client) => client.request(http_request).await,
            Transport::Tls(client) => client.request(http_request).await,
        };
        let (head, body) = match sent.map(Response::into_parts) {
            Ok(parts) => parts,
            Err(error) => return refused(&reasons(&error)),
        };
        match read(body).await {
            Ok(body) => interpret(head.status.as_u16(), &head.headers, body, request),
            Err(reason) => refused(&reason),
        }
    }

    fn http_request(
        &self,
        request: &InvokeRequest,
        call: &Call,
        credentials: &Credentials,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let function = percent_encode(&addressed(&request.function, call));
        let path = format!("{}/2015-03-31/functions/{function}/invocations", self.base_path);
        let query = match &request.qualifier {
            Some(qualifier) => format!("Qualifier={}", percent_encode(qualifier)),
            None => String::new(),
        };
        let invocation_type = match request.invocation_type {
            InvocationType::RequestResponse => "RequestResponse",
            InvocationType::Event => "Event",
            InvocationType::DryRun => "DryRun",
        };
        let context = request.client_context.as_ref().map(|text| STANDARD.encode(text));
        let mut headers =
            vec![("host", self.authority.as_str()), ("content-type", "application/json"), ("x-amz-invocation-type", invocation_type)];
        if let Some(context) = &context {
            headers.push(("x-amz-client-context", context));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let scope = Scope { service: "lambda", region: &self.region, at_seconds: now };
        let unsigned = sigv4::Request { method: "POST", path: &path, query: &query, headers: &headers, body: &request.event };
        let signature = sigv4::sign(&unsigned, &scope, credentials);

        let separator = if query.is_empty() { "" } else { "?" };
        let uri = format!("{}://{}{path}{separator}{query}", self.scheme, self.authority);
        let mut builder = Request::post(uri);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        for (name, value) in &signature {
            builder = builder.header(*name, value);
        }
        builder.body(Full::new(request.event.clone()))
    }
}

/// How the request names the function: an ARN without its qualifier, else as the task does.
fn addressed(function: &FunctionReference, call: &Call) -> String {
    let unqualified = FunctionReference { qualifier: None, ..function.clone() };
    match (&function.partition, &function.account) {
        (None, None) => unqualified.name,
        (Some(_), _) | (None, Some(_)) => unqualified.arn(&call.region, &call.account),
    }
}

fn interpret(status: u16, headers: &HeaderMap, body: Bytes, request: &InvokeRequest) -> Invoked {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = header("x-amzn-requestid").unwrap_or_default();
    if !(200..300).contains(&status) {
        let parsed: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| parsed[name].as_str().map(str::to_owned);
        let code = header("x-amzn-errortype").or_else(|| text("__type")).or_else(|| text("code")).unwrap_or_default();
        // `namespace#Name:url` is how some services dress the name.
        let code = code.split(':').next().and_then(|name| name.rsplit('#').next()).unwrap_or_default();
        let message = text("Message").or_else(|| text("message")).unwrap_or_else(|| "null".to_owned());
        return Invoked::Refused(failure::of_service(status, code, &message, &request_id));
    }
    if headers.contains_key("x-amz-function-error") {
        return Invoked::FunctionFailed(String::from_utf8_lossy(&body).into_owned());
    }
    let executed_version = match request.invocation_type {
        InvocationType::RequestResponse => Some(header("x-amz-executed-version").unwrap_or_else(|| "$LATEST".to_owned())),
        InvocationType::Event | InvocationType::DryRun => None,
    };
    let payload = match request.invocation_type {
        InvocationType::RequestResponse => body,
        InvocationType::Event | InvocationType::DryRun => Bytes::new(),
    };
    let headers =
        headers.iter().map(|(name, value)| (spelled(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    Invoked::Replied(Reply { status, executed_version, headers, request_id, payload })
}

/// The names AWS's replies have, whose case the HTTP library does not keep.
fn spelled(name: &str) -> String {
    const NAMES: [&str; 8] = [
        "Connection",
        "Content-Length",
        "Content-Type",
        "Date",
        "X-Amz-Executed-Version",
        "X-Amzn-Trace-Id",
        "x-amzn-Remapped-Content-Length",
        "x-amzn-RequestId",
    ];
    NAMES.iter().find(|known| known.eq_ignore_ascii_case(name)).map_or(name, |known| *known).to_owned()
}

async fn read(body: Incoming) -> Result<Bytes, String> {
    let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| format!("the reply could not be read: {error}"))
}

fn refused(reason: &str) -> Invoked {
    Invoked::Refused(failure::of_client(&format!("Unable to execute HTTP request: {reason}")))
}

/// An error and what caused it: the outer one only says that the request failed.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn made_up_credentials() -> Credentials {
    Credentials { access_key_id: "test".to_owned(), secret_access_key: "test".to_owned(), session_token: None }
}
