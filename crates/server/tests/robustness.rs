//! Slow, half and hostile clients: each has a limit, and nobody else notices.

mod harness;

use std::time::{Duration, Instant};

use harness::{Harness, request, within};
use serde_json::json;

const SHORT: Duration = Duration::from_millis(200);

async fn is_alive(harness: &Harness) -> bool {
    harness.call("Nonsense", json!({})).await.kind() == "UnknownOperationException"
}

#[tokio::test]
async fn half_sent_headers_are_given_up() {
    let harness = Harness::configured(|config| config.limits.head_timeout = SHORT).await;
    let mut connection = harness.connect().await;
    let started = Instant::now();
    connection.send(b"POST / HTTP/1.1\r\nHost: loc").await;
    assert!(connection.is_closed().await);
    assert!(started.elapsed() >= SHORT && started.elapsed() < 10 * SHORT, "{:?}", started.elapsed());
    assert!(is_alive(&harness).await);
    harness.stopped().await;
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_extend_the_time() {
    let harness = Harness::configured(|config| config.limits.head_timeout = SHORT).await;
    let mut connection = harness.connect().await;
    let started = Instant::now();
    let dripping = async {
        for byte in "POST / HTTP/1.1\r\nX: ".bytes().chain(std::iter::repeat_n(b'x', 1_000)) {
            connection.send(&[byte]).await;
            let mut answer = [0];
            let read = tokio::io::AsyncReadExt::read(&mut connection.stream, &mut answer);
            if matches!(tokio::time::timeout(SHORT / 10, read).await, Ok(Ok(0) | Err(_))) {
                return;
            }
        }
        panic!("the server waited for every byte");
    };
    within(dripping).await;
    assert!(started.elapsed() < 10 * SHORT, "{:?}", started.elapsed());
    harness.stopped().await;
}

#[tokio::test]
async fn idle_connections_are_closed_later_than_half_requests() {
    let harness = Harness::configured(|config| {
        config.limits.head_timeout = SHORT;
        config.limits.idle_timeout = 4 * SHORT;
    })
    .await;
    let mut connection = harness.connect().await;
    connection.send(request("Nonsense", "{}").as_bytes()).await;
    connection.answer().await.expect("an answer");
    tokio::time::sleep(2 * SHORT).await;
    connection.send(request("Nonsense", "{}").as_bytes()).await;
    connection.answer().await.expect("the connection is still there");
    assert!(connection.is_closed().await);
    harness.stopped().await;
}

#[tokio::test]
async fn half_sent_bodies_are_given_up() {
    let harness = Harness::configured(|config| config.limits.body_timeout = SHORT).await;
    let mut connection = harness.connect().await;
    let whole = request("StartExecution", "{\"stateMachineArn\":\"x\"}");
    connection.send(&whole.as_bytes()[..whole.len() - 5]).await;
    let answer = connection.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.kind()), (408, "RequestTimeout"));
    assert!(connection.is_closed().await);
    harness.stopped().await;
}

#[tokio::test]
async fn a_client_that_leaves_half_way_harms_nobody() {
    let harness = Harness::start().await;
    for sent in [5, 40, 150] {
        let mut connection = harness.connect().await;
        connection.send(&request("StartExecution", "{\"stateMachineArn\":\"x\"}").as_bytes()[..sent]).await;
    }
    assert!(is_alive(&harness).await);
    harness.stopped().await;
}

#[tokio::test]
async fn large_headers_and_bodies_are_refused() {
    let harness = Harness::configured(|config| config.limits.body_bytes_max = 100_000).await;
    let mut connection = harness.connect().await;
    connection.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(100_000)).as_bytes()).await;
    assert_eq!(connection.answer().await.expect("an answer").status, 431);

    let mut connection = harness.connect().await;
    let many: String = (0..200).map(|index| format!("X-{index}: x\r\n")).collect();
    connection.send(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").as_bytes()).await;
    assert_eq!(connection.answer().await.expect("an answer").status, 431);

    let mut connection = harness.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: AWSStepFunctions.ListActivities\r\n";
    connection.send(format!("{head}Content-Length: 100001\r\n\r\n").as_bytes()).await;
    let declared = connection.answer().await.expect("an answer");
    assert_eq!((declared.status, declared.kind()), (413, "RequestEntityTooLargeException"));

    let mut connection = harness.connect().await;
    let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
    connection.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n").as_bytes()).await;
    let chunked = connection.answer().await.expect("an answer");
    assert_eq!((chunked.status, chunked.kind()), (413, "RequestEntityTooLargeException"));
    assert!(is_alive(&harness).await);
    harness.stopped().await;
}

#[tokio::test]
async fn garbage_is_refused() {
    let harness = Harness::start().await;
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST  / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    ];
    for bytes in garbage {
        let mut connection = harness.connect().await;
        connection.send(bytes).await;
        if let Some(answer) = connection.answer().await {
            assert!((400..500).contains(&answer.status), "{bytes:?}: {}", answer.head);
        }
    }
    assert!(is_alive(&harness).await);
    harness.stopped().await;
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let harness = Harness::start().await;
    let mut connection = harness.connect().await;
    let pipelined = format!("{}{}", request("First", "{}"), request("Second", "{}"));
    connection.send(pipelined.as_bytes()).await;
    for name in ["First", "Second"] {
        assert!(connection.answer().await.expect("an answer").message().contains(name));
    }
    connection.send(request("Third", "{}").as_bytes()).await;
    assert!(connection.answer().await.expect("an answer").message().contains("Third"));
    harness.stopped().await;
}

#[tokio::test]
async fn connections_that_keep_no_buffers_go_on_where_they_were() {
    let harness = Harness::configured(|config| config.limits.connections_buffered_max = 0).await;
    let list = request("ListStateMachines", "{}");
    let mut connection = harness.connect().await;
    // One and a part of the next at once, wherever it is cut.
    for cut in 0..list.len() {
        connection.send(format!("{list}{}", &list[..cut]).as_bytes()).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 200, "before the cut at {cut}");
        connection.send(&list.as_bytes()[cut..]).await;
        assert_eq!(connection.answer().await.expect("an answer").status, 200, "the one cut at {cut}");
    }
    // What is refused before its body has been read: what comes of the body is no other request.
    let nonsense = request("Nonsense", "{\"of\": \"many bytes\"}");
    let (head, body) = nonsense.split_at(nonsense.find("\r\n\r\n").expect("an end of headers") + 4);
    connection.send(head.as_bytes()).await;
    assert_eq!(connection.answer().await.expect("an answer").kind(), "UnknownOperationException");
    connection.send(body.as_bytes()).await;
    connection.send(list.as_bytes()).await;
    let next = connection.answer().await.map(|answer| answer.status);
    assert!(next.is_none_or(|status| status == 200), "{next:?}");
    harness.stopped().await;
}

#[tokio::test]
async fn connections_that_keep_no_buffers_are_closed_in_time() {
    let mut harness = Harness::configured(|config| {
        config.limits.connections_buffered_max = 0;
        config.limits.head_timeout = SHORT;
        config.limits.idle_timeout = 4 * SHORT;
    })
    .await;
    let list = request("ListStateMachines", "{}");
    let (mut idle, mut half) = (harness.connect().await, harness.connect().await);
    let started = Instant::now();
    half.send(format!("{list}{}", &list[..9]).as_bytes()).await;
    half.answer().await.expect("an answer");
    assert!(half.is_closed().await && started.elapsed() < 4 * SHORT, "{:?}", started.elapsed());
    assert!(idle.is_closed().await && started.elapsed() >= 4 * SHORT, "{:?}", started.elapsed());
    let mut idle = harness.connect().await;
    idle.send(list.as_bytes()).await;
    idle.answer().await.expect("an answer");
    harness.begin_stop();
    assert!(idle.is_closed().await);
    harness.stopped().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let harness = Harness::configured(|config| config.limits.connections_max = 2).await;
    let (first, mut second) = (harness.connect().await, harness.connect().await);
    second.send(request("Nonsense", "{}").as_bytes()).await;
    second.answer().await.expect("an answer");
    let mut third = harness.connect().await;
    third.send(request("Nonsense", "{}").as_bytes()).await;
    let mut byte = [0];
    assert!(tokio::time::timeout(SHORT, third.stream.peek(&mut byte)).await.is_err(), "the third waits");
    drop(first);
    third.answer().await.expect("an answer");
    harness.stopped().await;
}

/// A poll for a task, with blanks behind its members: it has a place for as long as it waits.
fn large_poll(activity_arn: &str) -> String {
    request("GetActivityTask", &format!("{{\"activityArn\":\"{activity_arn}\"{}}}", " ".repeat(60_000)))
}

#[tokio::test]
async fn large_bodies_wait_for_room_and_are_throttled_when_none_comes() {
    let harness = Harness::configured(|config| {
        config.limits.large_bodies_bytes_max = 100_000;
        config.limits.body_timeout = SHORT;
    })
    .await;
    let created = harness.done("CreateActivity", json!({ "name": "a" })).await;
    let arn = created["activityArn"].as_str().expect("an ARN");
    let mut waiting = Vec::new();
    let throttled = async {
        loop {
            let mut poll = harness.connect().await;
            poll.send(large_poll(arn).as_bytes()).await;
            match tokio::time::timeout(4 * SHORT, poll.answer()).await {
                Ok(answer) => return answer.expect("an answer"),
                Err(_) => waiting.push(poll),
            }
        }
    };
    let answer = within(throttled).await;
    assert_eq!((answer.status, answer.kind(), answer.message()), (400, "ThrottlingException", "Rate exceeded"));
    assert_eq!(waiting.len(), 1, "there is room for one");
    assert!(is_alive(&harness).await, "small bodies need no room");

    drop(waiting);
    let served = async {
        loop {
            let mut poll = harness.connect().await;
            poll.send(large_poll(arn).as_bytes()).await;
            if tokio::time::timeout(4 * SHORT, poll.answer()).await.is_err() {
                return;
            }
        }
    };
    within(served).await;
    harness.stopped().await;
}

#[tokio::test]
async fn large_answers_that_nobody_takes_are_bounded() {
    let harness = Harness::configured(|config| config.limits.large_bodies_bytes_max = 300_000).await;
    let machine = harness.create_machine("Echo", json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "End": true } } })).await;
    let input = format!("\"{}\"", "x".repeat(200_000));
    let started = harness.done("StartExecution", json!({ "stateMachineArn": machine, "input": input })).await;
    let describe = json!({ "executionArn": started["executionArn"] });
    let mut greedy = harness.connect().await;
    // Far more than sockets hold.
    greedy.send(request("DescribeExecution", &describe.to_string()).repeat(64).as_bytes()).await;
    let until = async |status: u16| {
        loop {
            let answer = harness.call("DescribeExecution", describe.clone()).await;
            if answer.status == status {
                return answer;
            }
        }
    };
    assert_eq!(within(until(400)).await.kind(), "ThrottlingException");
    harness.done("ListStateMachines", json!({})).await;
    drop(greedy);
    within(until(200)).await;
    harness.stopped().await;
}

#[tokio::test]
async fn stopping_closes_the_listener_and_idle_connections() {
    let mut harness = Harness::start().await;
    let mut idle = harness.connect().await;
    idle.send(request("Nonsense", "{}").as_bytes()).await;
    idle.answer().await.expect("an answer");
    let address = harness.address;
    harness.begin_stop();
    assert!(idle.is_closed().await);
    harness.stopped().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
