//! Functions that live elsewhere: the Invoke API over HTTP, signed.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::{HeaderMap, Method, Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;
use skald_aws::lambda::FunctionReference;
use skald_aws::sigv4::{self, Credentials, Signer, push_encoded};

use crate::config::ConfigError;
use crate::lambda::connections::{Connections, Connector};
use crate::lambda::gate::{Gates, Shut};
use crate::lambda::invoke::{InvocationType, InvokeRequest, Reply, Shown};
use crate::lambda::lasting::Lasting;
use crate::lambda::runtime_api::ANSWER_BYTES_MAX;
use crate::lambda::{Invoked, failure, throttled};
use crate::{Call, Outcome};

const INVOCATION_TYPE: HeaderName = HeaderName::from_static("x-amz-invocation-type");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("x-amz-client-context");

const CONNECT_SECONDS_MAX: u64 = 10;

/// The longest a function may take, and a little.
const REPLY_SECONDS_MAX: u64 = 910;

/// See the module.
pub struct Endpoint {
    /// As the `Host` header says it.
    host: HeaderValue,
    /// Before every path; empty or without a trailing slash.
    base_path: String,
    signer: Option<Signer>,
    connections: Connections,
    gates: Gates,
}

impl Endpoint {
    /// Without credentials, an endpoint on this machine is called with made-up ones, as emulators expect.
    pub fn new(url: &str, region: &str, credentials: Option<Credentials>, gates: Gates) -> Result<Self, ConfigError> {
        let refused = |reason: String| ConfigError::Endpoint { url: url.to_owned(), reason };
        let uri: Uri = url.parse().map_err(|error| refused(format!("{error}")))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(refused("write it with scheme and host, such as http://localhost:4566".to_owned()));
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECONDS_MAX)));
        connector.set_nodelay(true);
        let connector = match scheme.as_str() {
            "http" => Connector::Plain(connector),
            "https" => {
                connector.enforce_http(false);
                let builder = HttpsConnectorBuilder::new().with_native_roots();
                let builder = builder.map_err(|error| refused(format!("no certificates to trust: {error}")))?;
                Connector::Tls(builder.https_only().enable_http1().wrap_connector(connector))
            }
            other => return Err(refused(format!("the scheme {other} is neither http nor https"))),
        };
        let default_port = if *scheme == Scheme::HTTP { 80 } else { 443 };
        let host = authority.host();
        let authority = match authority.port_u16() {
            Some(port) if port != default_port => format!("{host}:{port}"),
            Some(_) | None => host.to_owned(),
        };
        let credentials = credentials.or_else(|| is_loopback(host).then(made_up_credentials));
        Ok(Self {
            host: HeaderValue::from_str(&authority).map_err(|error| refused(format!("{error}")))?,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            signer: credentials.map(|credentials| Signer::new(credentials, "lambda", region)),
            connections: Connections::new(uri, connector),
            gates,
        })
    }

    /// Calls that wait for their turn give up, running ones go on.
    pub(super) fn quiesce(&self) {
        self.gates.close();
    }

    /// Calls the function once, when its turn has come. The call goes on then when the caller goes away.
    pub(super) async fn invoke(self: &Arc<Self>, function: FunctionReference<'_>, request: &InvokeRequest<'_>, call: &Call) -> Invoked {
        let function = addressed(function, call);
        let pass = match self.gates.of(&function).pass().await {
            Ok(pass) => pass,
            Err(Shut::Crowded) => return throttled(call),
            Err(Shut::Closed) => return Invoked::Refused(Outcome::GaveUp),
        };
        let Some(signer) = &self.signer else {
            return refused("no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
        };
        let http_request = match self.http_request(&function, request, signer) {
            Ok(http_request) => http_request,
            Err(error) => return refused(&error.to_string()),
        };
        let endpoint = Arc::clone(self);
        let exchange = Lasting::new(async move {
            let _pass = pass;
            let limit = Duration::from_secs(REPLY_SECONDS_MAX);
            let exchange = endpoint.connections.exchange(http_request, ANSWER_BYTES_MAX);
            let too_late = || format!("no reply within {REPLY_SECONDS_MAX} seconds");
            tokio::time::timeout(limit, exchange).await.unwrap_or_else(|_| Err(too_late()))
        });
        match exchange.await {
            Ok((head, body)) => interpret(head.status.as_u16(), &head.headers, body, request),
            Err(reason) => refused(&reason),
        }
    }

    fn http_request(
        &self,
        function: &str,
        request: &InvokeRequest<'_>,
        signer: &Signer,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut path = String::with_capacity(128);
        path.extend([&self.base_path, "/2015-03-31/functions/"]);
        push_encoded(&mut path, function);
        path.push_str("/invocations");
        let path_bytes = path.len();
        if let Some(qualifier) = &request.qualifier {
            path.push_str("?Qualifier=");
            push_encoded(&mut path, qualifier);
        }
        let query = path.get(path_bytes + 1..).unwrap_or_default();
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(INVOCATION_TYPE, HeaderValue::from_static(request.invocation_type.as_str()));
        if let Some(context) = &request.client_context {
            headers.insert(CLIENT_CONTEXT, HeaderValue::try_from(STANDARD.encode(context))?);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let signed: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default())).collect();
        let unsigned = sigv4::Request { method: "POST", path: &path[..path_bytes], query, headers: &signed, body: &request.event };
        for (name, value) in signer.sign(&unsigned, now) {
            headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value)?);
        }
        let mut http_request = Request::new(Full::new(request.event.clone()));
        *http_request.method_mut() = Method::POST;
        *http_request.uri_mut() = Uri::try_from(path)?;
        *http_request.headers_mut() = headers;
        Ok(http_request)
    }
}

/// How the request names the function: an ARN without its qualifier, else as the task does.
fn addressed<'a>(function: FunctionReference<'a>, call: &Call) -> Cow<'a, str> {
    let unqualified = FunctionReference { qualifier: None, ..function };
    match (function.partition, function.account) {
        (None, None) => Cow::Borrowed(unqualified.name),
        (Some(_), _) | (None, Some(_)) => Cow::Owned(unqualified.arn(&call.region, &call.account)),
    }
}

fn interpret(status: u16, headers: &HeaderMap, body: Bytes, request: &InvokeRequest<'_>) -> Invoked {
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
    let header =
        |(name, value): (&HeaderName, &HeaderValue)| (spelled(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned());
    let headers = match request.shown {
        Shown::Payload => Vec::new(),
        Shown::Everything => headers.iter().map(header).collect(),
    };
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

fn refused(reason: &str) -> Invoked {
    Invoked::Refused(failure::of_client(&format!("Unable to execute HTTP request: {reason}")))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn made_up_credentials() -> Credentials {
    Credentials { access_key_id: "test".to_owned(), secret_access_key: "test".to_owned(), session_token: None }
}
