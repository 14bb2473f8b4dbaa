use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Sends one request on a connection of its own and reads the reply to its end.
async fn send(api: &RuntimeApi, request: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(api.address()).await.expect("the API listens");
    let head = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.expect("it reads");
    stream.write_all(body).await.expect("it reads");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.expect("it answers");
    reply
}

fn invocation(request_id: &str) -> Invocation {
    Invocation {
        request_id: request_id.to_owned(),
        event: Bytes::from_static(b"{\"a\":1}"),
        function_arn: "arn:aws:lambda:eu-west-1:123456789012:function:f".to_owned(),
        trace_id: "Root=1-0-0".to_owned(),
        client_context: Some("{}".to_owned()),
        timeout: Duration::from_secs(3),
    }
}

#[tokio::test]
async fn event_waits_for_its_offer_and_comes_with_its_headers() {
    let api = RuntimeApi::open().await.expect("a free port");
    let polled = send(&api, "GET /2018-06-01/runtime/invocation/next", b"");
    let offered = async {
        // The poll is on its way before the offer is made.
        tokio::task::yield_now().await;
        api.offer(invocation("r-1"))
    };
    let (reply, delivery) = tokio::join!(polled, offered);
    delivery.taken.await.expect("it was taken");
    let (head, body) = reply.split_once("\r\n\r\n").expect("head and body");
    assert_eq!(body, r#"{"a":1}"#);
    for line in [
        "HTTP/1.1 200 OK",
        "content-type: application/json",
        "lambda-runtime-aws-request-id: r-1",
        "lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:123456789012:function:f",
        "lambda-runtime-trace-id: Root=1-0-0",
        "lambda-runtime-client-context: {}",
    ] {
        assert!(head.split("\r\n").any(|found| found == line), "{line} in {head}");
    }
    assert!(head.contains("lambda-runtime-deadline-ms: "));
    assert_eq!(api.request_ids().latest(), "r-1");
}

#[tokio::test]
async fn answer_to_anything_but_the_open_invocation_is_refused() {
    let api = RuntimeApi::open().await.expect("a free port");
    let delivery = api.offer(invocation("r-2"));
    for path in ["invocation/r-1/response", "invocation/r-1/error"] {
        let reply = send(&api, &format!("POST /2018-06-01/runtime/{path}"), b"1").await;
        assert!(reply.starts_with("HTTP/1.1 400 ") && reply.contains("InvalidRequestID"), "{reply}");
    }
    let reply = send(&api, "POST /2018-06-01/runtime/invocation/r-2/response", b"1").await;
    assert!(reply.starts_with("HTTP/1.1 202 ") && reply.ends_with("{\"status\":\"OK\"}\n"), "{reply}");
    assert!(matches!(delivery.answer.await, Ok(Answer::Response(body)) if &body[..] == b"1"));
    // Answered once.
    let reply = send(&api, "POST /2018-06-01/runtime/invocation/r-2/error", b"1").await;
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
}

#[tokio::test]
async fn error_while_loading_answers_the_invocation_that_waits() {
    let api = RuntimeApi::open().await.expect("a free port");
    let reply = send(&api, "POST /2018-06-01/runtime/init/error", b"early").await;
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    let delivery = api.offer(invocation("r-3"));
    let reply = send(&api, "POST /2018-06-01/runtime/init/error", b"late").await;
    assert!(reply.starts_with("HTTP/1.1 202 "), "{reply}");
    assert!(matches!(delivery.answer.await, Ok(Answer::InitError(body)) if &body[..] == b"late"));
}

#[tokio::test]
async fn too_large_an_answer_is_read_and_refused() {
    let api = RuntimeApi::open().await.expect("a free port");
    let delivery = api.offer(invocation("r-4"));
    let body = vec![b'1'; ANSWER_BYTES_MAX + 1];
    let reply = send(&api, "POST /2018-06-01/runtime/invocation/r-4/response", &body).await;
    assert!(reply.starts_with("HTTP/1.1 413 ") && reply.contains("RequestEntityTooLarge"), "{reply}");
    assert!(matches!(delivery.answer.await, Ok(Answer::TooLarge)));
}

#[tokio::test]
async fn other_paths_are_not_found() {
    let api = RuntimeApi::open().await.expect("a free port");
    for request in ["GET /", "GET /2018-06-01/runtime/restore/next", "POST /2018-06-01/runtime/invocation/next"] {
        let reply = send(&api, request, b"").await;
        assert!(reply.starts_with("HTTP/1.1 404 "), "{request}: {reply}");
    }
}
