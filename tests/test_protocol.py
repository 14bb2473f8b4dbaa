"""The wire at its edges: garbage, foreign hosts and origins, half requests, health and metrics."""

import json
import re
import socket
import time

import pytest

from server import ROLE, create_machine, ended, run

FUNCTIONS = {}
TARGET = {"X-Amz-Target": "AWSStepFunctions.ListStateMachines", "Content-Type": "application/x-amz-json-1.0"}


def target(action):
    return {**TARGET, "X-Amz-Target": f"AWSStepFunctions.{action}"}


# --- garbage ---


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"maxResults":', b"[]", b'"text"', b"null x", b"\xff\xfe{}", b'{"maxResults": "\xc3\x28"}', b"\0" * 64],
    ids=["truncated", "half", "list", "text", "trailing", "utf-16", "bad utf-8", "zeros"],
)
def test_a_body_that_is_no_object_is_a_serialization_error(server, body):
    status, answer = server.action("ListStateMachines", body)
    assert (status, answer["__type"]) == (400, "SerializationException")
    assert server.action("ListStateMachines", {})[0] == 200


@pytest.mark.parametrize(
    "action, members",
    [
        ("ListStateMachines", {"maxResults": "many"}),
        ("CreateStateMachine", {"name": 1, "definition": "{}", "roleArn": ROLE}),
        ("CreateStateMachine", {"name": ["a"], "definition": {}, "roleArn": ROLE}),
        ("StartExecution", {"stateMachineArn": {"a": 1}}),
        ("GetExecutionHistory", {"executionArn": "x", "reverseOrder": "yes"}),
    ],
)
def test_wrong_types_are_refused(server, action, members):
    status, answer = server.action(action, members)
    assert status == 400 and answer["__type"] in ("SerializationException", "ValidationException")


def test_missing_members_are_named(server):
    status, answer = server.action("CreateStateMachine", {})
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert re.match(r"3 validation errors detected: ", answer["message"])
    assert "Value null at 'definition' failed to satisfy constraint: Member must not be null" in answer["message"]


@pytest.mark.parametrize("name", ["Nonsense", "", "liststatemachines", "TestState", "CreateStateMachineAlias", "TagResource"])
def test_unknown_operations_say_so(server, name):
    status, answer = server.action(name, {})
    assert (status, answer["__type"]) == (400, "UnknownOperationException")


def test_a_request_without_target_says_so(server):
    status, headers, body = server.request(body=b"{}")
    assert (status, json.loads(body)["__type"]) == (400, "UnknownOperationException")
    assert headers["x-amzn-RequestId"]


@pytest.mark.parametrize("size", [2_000_000, 20_000_000])
def test_big_bodies_are_refused_or_too_long_and_nothing_hangs(server, size):
    padding = "x" * size
    body = json.dumps({"name": "Big", "roleArn": ROLE, "definition": padding}).encode()
    try:
        status, _, answer = server.request(body=body, headers=target("CreateStateMachine"))
        assert 400 <= status < 500 and "__type" in json.loads(answer)
    except OSError:
        # The server may close while a body it refuses is still being sent.
        assert size > 2_000_000
    assert server.action("ListStateMachines", {})[0] == 200


def test_an_input_over_the_limit_is_refused(server, client):
    machine = create_machine(client, "Small", {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    status, answer = server.action("StartExecution", {"stateMachineArn": machine, "input": json.dumps("x" * 262_144)})
    assert status == 400 and answer["__type"] in ("ValidationException", "InvalidExecutionInput")


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
def test_deep_nesting_is_refused_or_carried_never_a_crash(server, client, opening, closing):
    depth = 10_000
    deep = opening * depth + "1" + closing * depth
    status, answer = server.action("ListStateMachines", deep.encode())
    assert (status, answer["__type"]) == (400, "SerializationException")
    for member in ("definition", "input"):
        if member == "definition":
            members = {"name": "Deep", "roleArn": ROLE, "definition": deep}
            status, answer = server.action("CreateStateMachine", members)
            assert (status, answer["__type"]) == (400, "InvalidDefinition")
        else:
            machine = create_machine(client, "Carries", {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
            status, answer = server.action("StartExecution", {"stateMachineArn": machine, "input": deep})
            assert status == 200 or answer["__type"] == "InvalidExecutionInput"
    assert server.action("ListStateMachines", {})[0] == 200


def test_bad_inputs_names_and_arns(client):
    machine = create_machine(client, "Names", {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    with pytest.raises(client.exceptions.InvalidExecutionInput):
        client.start_execution(stateMachineArn=machine, input="not json")
    with pytest.raises(client.exceptions.InvalidName):
        client.start_execution(stateMachineArn=machine, name="no spaces")
    with pytest.raises(client.exceptions.InvalidArn):
        client.describe_execution(executionArn="nonsense")
    with pytest.raises(client.exceptions.StateMachineDoesNotExist):
        client.start_execution(stateMachineArn=f"{machine}X")
    with pytest.raises(client.exceptions.ExecutionDoesNotExist):
        client.describe_execution(executionArn=f"{machine.replace(':stateMachine:', ':execution:')}:nobody")


def test_documents_keep_their_bytes(client):
    machine = create_machine(client, "Bytes", {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    text = '{ "z": 1.50, "a": 12345678901234567890, "ü": "\\u00e9\\n" }'
    arn = client.start_execution(stateMachineArn=machine, input=text)["executionArn"]
    execution = ended(client, arn)
    assert execution["input"] == text and execution["output"] == text


# --- who may talk to it ---


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8083", "[::1]:8083", "sync-localhost:1", "states.eu-west-1.amazonaws.com"])
def test_hosts_that_are_ours(server, host):
    status, _, _ = server.request(body=b"{}", headers={**TARGET, "Host": host})
    assert status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "amazonaws.com.evil.example", "10.0.0.1"])
def test_hosts_that_are_not(server, host):
    status, _, body = server.request(body=b"{}", headers={**TARGET, "Host": host})
    assert status == 403
    # It names the setting that allows it.
    assert b"hosts" in body.lower()


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_foreign_origins_are_turned_away(server, origin):
    status, _, _ = server.request(body=b"{}", headers={**TARGET, "Origin": origin})
    assert status == 403


def test_the_region_comes_from_the_signature(server):
    scope = "AWS4-HMAC-SHA256 Credential=AKIA/20250101/eu-west-1/states/aws4_request, SignedHeaders=host, Signature=00"
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    members = {"name": "Regional", "roleArn": ROLE, "definition": definition}
    status, answer = server.action("CreateStateMachine", members, {"Authorization": scope})
    assert status == 200
    assert answer["stateMachineArn"] == "arn:aws:states:eu-west-1:123456789012:stateMachine:Regional"
    _, here = server.action("ListStateMachines", {})
    assert "Regional" not in json.dumps(here)


# --- slow clients ---


def test_half_a_request_is_cut_off_and_disturbs_nobody(server):
    halves = []
    for _ in range(50):
        half = socket.create_connection(("127.0.0.1", server.port))
        half.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Tar")
        halves.append(half)
    began = time.monotonic()
    assert server.action("ListStateMachines", {})[0] == 200
    assert time.monotonic() - began < 2
    # Its time-out is 10 seconds, counted from the first byte.
    halves[0].settimeout(20)
    answer = halves[0].recv(1000)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 408")
    for half in halves:
        half.close()


def test_an_oversized_header_is_refused(server):
    try:
        status, _, _ = server.request(body=b"{}", headers={**TARGET, "X-Long": "x" * 200_000})
    except (BrokenPipeError, ConnectionResetError):
        # It is refused before all of it was sent: the answer may be lost with the connection.
        status = 431
    assert 400 <= status < 500
    assert server.action("ListStateMachines", {})[0] == 200


# --- health and metrics ---


def test_healthz(server):
    assert server.request("GET", "/healthz")[0] == 200


NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*),?\}})? (-?[0-9.e+-]+|NaN|[+-]Inf)$")


def parse_metrics(text):
    """Prometheus text, by its rules: TYPE before samples, a family in one piece, cumulative buckets."""
    kinds, samples, family, closed = {}, {}, None, set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE"), line
            if name != family:
                assert name not in closed, f"{name} comes in two pieces"
                closed.add(family)
                family = name
            if word == "TYPE":
                assert name not in kinds and rest in ("counter", "gauge", "histogram", "summary", "untyped"), line
                kinds[name] = rest
            continue
        matched = SAMPLE.match(line)
        assert matched, line
        name, labels, value = matched.groups()
        assert name == family or name in (f"{family}_bucket", f"{family}_sum", f"{family}_count"), line
        assert (name, labels) not in samples, f"twice: {line}"
        samples[(name, labels)] = float(value)
    for name, kind in kinds.items():
        if kind == "counter":
            assert name.endswith("_total"), name
        if kind == "histogram":
            buckets = [value for (sample, _), value in samples.items() if sample == f"{name}_bucket"]
            assert any('le="+Inf"' in (labels or "") for sample, labels in samples if sample == f"{name}_bucket"), name
            if all((labels or "").startswith("le=") and "," not in labels for s, labels in samples if s == f"{name}_bucket"):
                assert buckets == sorted(buckets), name
    return samples


def test_metrics_are_prometheus_text_and_count(server, client):
    machine = create_machine(client, "Counted", {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    for _ in range(3):
        run(client, machine)
    status, headers, body = server.request("GET", "/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    samples = parse_metrics(body.decode())
    of_machine = {name: value for (name, labels), value in samples.items() if labels and machine in labels}
    started = [value for name, value in of_machine.items() if "started" in name]
    succeeded = [value for (_, labels), value in samples.items() if labels and machine in labels and "SUCCEEDED" in labels]
    assert started == [3] and succeeded == [3]
