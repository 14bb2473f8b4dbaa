"""One name, one execution; one SDK call, one execution."""

import json
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from server import create_machine, ended, run

WAITING = {"StartAt": "Hold", "States": {"Hold": {"Type": "Wait", "Seconds": 600, "End": True}}}
PASSING = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}


@pytest.fixture(scope="module")
def waiting(client):
    return create_machine(client, "Waiting", WAITING)


def test_200_concurrent_starts_of_one_name_are_one_execution(server, client, waiting):
    barrier = threading.Barrier(200)

    def start(_):
        barrier.wait()
        return server.action("StartExecution", {"stateMachineArn": waiting, "name": "one", "input": '{"a":1}'})

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(start, range(200)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["executionArn"] for _, answer in answers}) == 1
    assert len({answer["startDate"] for _, answer in answers}) == 1
    listed = client.list_executions(stateMachineArn=waiting)["executions"]
    assert [item["name"] for item in listed] == ["one"]
    with pytest.raises(client.exceptions.ExecutionAlreadyExists) as refused:
        client.start_execution(stateMachineArn=waiting, name="one", input='{"a":2}')
    arn = answers[0][1]["executionArn"]
    assert refused.value.response["Error"]["Message"] == f"Execution Already Exists: '{arn}'"


def test_200_concurrent_starts_of_one_name_with_other_inputs_start_one(server, client, waiting):
    barrier = threading.Barrier(200)

    def start(number):
        barrier.wait()
        return server.action("StartExecution", {"stateMachineArn": waiting, "name": "other", "input": str(number)})

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(start, range(200)))
    accepted = [answer for status, answer in answers if status == 200]
    refused = [answer["__type"] for status, answer in answers if status != 200]
    assert len(accepted) == 1 and refused == ["ExecutionAlreadyExists"] * 199


def test_a_closed_name_is_not_started_again(client):
    machine = create_machine(client, "Passing", PASSING)
    run(client, machine, {"a": 1}, name="once")
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=machine, name="once", input='{"a": 1}')


def test_an_unnamed_start_repeated_under_its_invocation_id_starts_once(server, client, waiting):
    call = {"amz-sdk-invocation-id": str(uuid.uuid4()), "amz-sdk-request": "attempt=1; max=3"}
    members = {"stateMachineArn": waiting, "input": '{"unnamed":1}'}
    first = server.action("StartExecution", members, call)
    again = server.action("StartExecution", members, {**call, "amz-sdk-request": "attempt=2; max=3"})
    other = server.action("StartExecution", members, {**call, "amz-sdk-invocation-id": str(uuid.uuid4())})
    changed = server.action("StartExecution", {**members, "input": "2"}, call)
    assert first == again and first[0] == 200
    assert len({answer["executionArn"] for _, answer in (first, other, changed)}) == 3


def test_the_answer_to_a_repeated_unnamed_start_outlives_the_execution_and_a_kill(new_server):
    server = new_server()
    client = server.client()
    machine = create_machine(client, "Passing", PASSING)
    call = {"amz-sdk-invocation-id": str(uuid.uuid4())}
    members = {"stateMachineArn": machine, "input": "{}"}
    _, first = server.action("StartExecution", members, call)
    ended(client, first["executionArn"])
    server.restart_after_kill()
    status, again = server.action("StartExecution", members, call)
    assert (status, again) == (200, first)


def test_boto3_retries_a_start_whose_answer_was_lost_and_starts_once(server, client):
    machine = create_machine(client, "LostAnswer", WAITING)
    with AnswerEater(server.port) as proxy:
        through = server.client(port=proxy.port, retries={"max_attempts": 3, "mode": "standard"})
        arn = through.start_execution(stateMachineArn=machine, input=json.dumps({"a": 1}))["executionArn"]
    assert proxy.connections >= 2
    listed = client.list_executions(stateMachineArn=machine)["executions"]
    assert [item["executionArn"] for item in listed] == [arn]


class AnswerEater:
    """A TCP proxy that drops the first connection when the server's answer arrives, and passes on all later ones."""

    def __init__(self, target):
        self.target = target
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=pass_on, args=(near, far), daemon=True).start()
            eats = self.connections == 1
            threading.Thread(target=swallow if eats else pass_on, args=(far, near), daemon=True).start()


def pass_on(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def swallow(source, sink):
    source.recv(65536)
    sink.shutdown(socket.SHUT_RDWR)
    sink.close()
