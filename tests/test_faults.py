"""What machines do to a server: it is killed at any moment, stopped and continued, and its clock steps.

Everything that Skald waits for is in flight meanwhile: timers, tokens, workers, retries, functions, branches, iterations,
children. Nothing acknowledged is lost, nothing happens twice, nothing waits for ever.

SKALD_KILLS=200 kills more often, SKALD_SEED repeats a run's moments.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import botocore.exceptions
import pytest

from server import create_machine, ended, history, types, wait_until

KILLS = int(os.environ.get("SKALD_KILLS", "20"))
SEED = int(os.environ.get("SKALD_SEED", str(random.randrange(1_000_000))))
FUNCTIONS = {
    "echo": {"handler": "probes.echo", "concurrency": 4},
    "stubborn": {"handler": "probes.stubborn", "concurrency": 4},
    "ask": {"handler": "probes.ask", "concurrency": 2},
}
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:"
OFF = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)


def machines(activity, child):
    """By name: the definition, the input, and what an execution ends with."""
    invoke = {"Type": "Task", "Resource": LAMBDA + "echo", "End": True}
    stubborn = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "stubborn", "Payload": {"attempt.$": "$$.State.RetryCount", "wanted": 2}},
        "Retry": [{"ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 3}],
        "OutputPath": "$.Payload",
        "End": True,
    }
    token = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": "ask", "Payload": {"token.$": "$$.Task.Token", "order.$": "$$.Execution.Name"}},
        "End": True,
    }
    started = {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync:2", "End": True, "OutputPath": "$.Output"}
    started["Parameters"] = {"StateMachineArn": child, "Input": {"of.$": "$$.Execution.Name"}}
    return {
        "Timer": ({"Type": "Wait", "Seconds": 2, "End": True}, {"n": 1}, {"n": 1}),
        "Calls": (invoke, {"n": 2}, {"n": 2}),
        "Retries": (stubborn, {}, {"attempt": 2}),
        "Token": (token, {}, {"approved": True}),
        "Activity": ({"Type": "Task", "Resource": activity, "End": True}, {"n": 3}, {"done": {"n": 3}}),
        "Map": (
            {"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": {"StartAt": "One", "States": {"One": invoke}}, "End": True},
            [1, 2, 3],
            [1, 2, 3],
        ),
        "Parallel": (
            {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "A", "States": {"A": invoke}},
                    {"StartAt": "B", "States": {"B": {"Type": "Wait", "Seconds": 1, "End": True}}},
                ],
                "End": True,
            },
            {"n": 4},
            [{"n": 4}, {"n": 4}],
        ),
        "Parent": (started, {}, "the parent's name"),
    }


class Outside:
    """Clients, workers and people who go on through every kill: each tries again until it is answered."""

    def __init__(self, server):
        self.server = server
        self.over = threading.Event()
        self.errors = []
        self.threads = []

    def run(self, work):
        def guarded():
            try:
                work()
            except Exception as error:  # noqa: BLE001: whatever it is, the test has to hear of it.
                self.errors.append(error)

        self.threads.append(threading.Thread(target=guarded, daemon=True))
        self.threads[-1].start()

    def again(self, call):
        """The answer of the first try that reaches a server; nothing once all is over."""
        while not self.over.is_set():
            try:
                return call(self.server.client(read_timeout=5))
            except OFF:
                time.sleep(0.02)
        return None

    def work(self, activity):
        while not self.over.is_set():
            task = self.again(lambda client: client.get_activity_task(activityArn=activity, workerName="w"))
            if task and task.get("taskToken"):
                self.answer(task["taskToken"], {"done": json.loads(task["input"])})

    def approve(self):
        answered = set()
        while not self.over.is_set():
            for call in self.server.ledger.entries(function="ask"):
                token = call["order"]["token"]
                if token not in answered:
                    answered.add(token)
                    self.answer(token, {"approved": True})
            time.sleep(0.02)

    def answer(self, token, output):
        try:
            self.again(lambda client: client.send_task_success(taskToken=token, output=json.dumps(output)))
        except botocore.exceptions.ClientError as error:
            # The try before was durable, and its answer was lost with the server.
            assert error.response["Error"]["Code"] == "TaskTimedOut", error

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join(30)
        assert not self.errors, self.errors


def test_kills_at_any_moment(new_server):
    print(f"SKALD_SEED={SEED}")
    moments = random.Random(SEED)
    server = new_server(FUNCTIONS)
    client = server.client()
    activity = client.create_activity(name="work")["activityArn"]
    child = create_machine(client, "Child", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}})
    made = {}
    for name, (state, document, output) in machines(activity, child).items():
        made[name] = (create_machine(client, name, {"StartAt": "S", "States": {"S": state}}), document, output)

    outside = Outside(server)
    acknowledged = {}

    def start():
        number = 0
        while not outside.over.is_set() and len(acknowledged) < KILLS * 40:
            kind = list(made)[number % len(made)]
            machine, document, _ = made[kind]
            name, number = f"{kind}-{number}", number + 1
            request = {"stateMachineArn": machine, "name": name, "input": json.dumps(document)}
            try:
                answer = outside.again(lambda client: client.start_execution(**request))
            except botocore.exceptions.ClientError as error:
                # The try before was durable, and has ended meanwhile.
                assert error.response["Error"]["Code"] == "ExecutionAlreadyExists", error
                answer = {"executionArn": machine.replace(":stateMachine:", ":execution:") + ":" + name}
            if answer:
                acknowledged[answer["executionArn"]] = kind

    outside.run(start)
    outside.run(outside.approve)
    for _ in range(2):
        outside.run(lambda: outside.work(activity))
    for _ in range(KILLS):
        time.sleep(moments.uniform(0.02, 0.6))
        server.kill()
        server.start()
    client = server.client()
    expected = dict(acknowledged)
    assert len(expected) > KILLS, "hardly anything was started"
    for arn, kind in expected.items():
        check(ended(client, arn, 60), history(client, arn), made[kind][2])
    outside.finish()

    listed = Counter()
    for machine, _, _ in made.values():
        pages = client.get_paginator("list_executions").paginate(stateMachineArn=machine)
        listed.update(item["executionArn"] for page in pages for item in page["executions"])
    assert set(expected) <= set(listed) and set(listed.values()) == {1}
    children = [item for page in client.get_paginator("list_executions").paginate(stateMachineArn=child) for item in page["executions"]]
    parents = Counter(json.loads(client.describe_execution(executionArn=one["executionArn"])["input"])["of"] for one in children)
    assert set(parents.values()) == {1}, "a parent has two children"
    # One scheduled event is one request, however often the function was called.
    requests = {(call["order"]["order"], call["request"]) for call in server.ledger.entries(function="ask")}
    assert len(requests) == len({order for order, _ in requests})
    print(f"{KILLS} kills, {len(expected)} executions: {dict(Counter(expected.values()))}")


def check(described, events, output):
    arn = described["executionArn"]
    assert described["status"] == "SUCCEEDED", described
    wanted = {"of": described["name"]} if output == "the parent's name" else output
    assert json.loads(described["output"]) == wanted, arn
    assert [event["id"] for event in events] == list(range(1, len(events) + 1)), arn
    assert all(event["previousEventId"] < event["id"] for event in events)
    counted = Counter(types(events))
    assert counted["ExecutionStarted"] == counted["ExecutionSucceeded"] == 1 and types(events)[-1] == "ExecutionSucceeded"
    entered = sum(count for kind, count in counted.items() if kind.endswith("StateEntered"))
    exited = sum(count for kind, count in counted.items() if kind.endswith("StateExited"))
    assert entered == exited, arn


def test_a_stopped_process_goes_on_where_it_was(new_server):
    server = new_server(FUNCTIONS)
    client = server.client()
    activity = client.create_activity(name="work")["activityArn"]
    beating = {"Type": "Task", "Resource": activity, "HeartbeatSeconds": 2, "End": True}
    waiting = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "End": True, "Branches": []}}}
    waiting["States"]["P"]["Branches"] = [
        {"StartAt": "Task", "States": {"Task": {**beating, "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}]}, "Late": {"Type": "Pass", "End": True}}},
        {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}},
    ]
    arn = client.start_execution(stateMachineArn=create_machine(client, "Stopped", waiting), input="{}")["executionArn"]
    assert client.get_activity_task(activityArn=activity)["taskToken"]
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    server.process.send_signal(signal.SIGCONT)
    described = ended(client, arn)
    assert described["status"] == "SUCCEEDED"
    counted = Counter(types(history(client, arn)))
    assert counted["ActivityTimedOut"] == counted["WaitStateExited"] == 1


FAKETIME = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
def test_a_wall_clock_that_steps(new_server, tmp_path, monkeypatch):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    monkeypatch.setenv("LD_PRELOAD", str(FAKETIME))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(clock))
    monkeypatch.setenv("FAKETIME_NO_CACHE", "1")
    # A step of the wall clock leaves the steady one alone.
    monkeypatch.setenv("DONT_FAKE_MONOTONIC", "1")
    server = new_server()
    client = server.client()
    hour = create_machine(client, "Hour", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}})
    moment = create_machine(client, "Moment", {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 2, "End": True}}})
    long = client.start_execution(stateMachineArn=hour, input="{}")["executionArn"]
    clock.write_text("+4000")
    assert ended(client, long, 10)["status"] == "SUCCEEDED", "an hour has passed"
    short = client.start_execution(stateMachineArn=moment, input="{}")["executionArn"]
    clock.write_text("-4000")
    assert ended(client, short, 10)["status"] == "SUCCEEDED", "two seconds have passed, whatever the wall says"
    # Time goes on from where it was, also for whoever opens the store next.
    server.restart_after_kill()
    client = server.client()
    later = client.start_execution(stateMachineArn=moment, input="{}")["executionArn"]
    described = ended(client, later, 10)
    assert described["startDate"] > client.describe_execution(executionArn=short)["stopDate"]
    assert described["stopDate"] > described["startDate"]


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting takes root")
def test_a_disk_that_is_full(new_server):
    server = new_server(FUNCTIONS)
    server.kill()
    shutil.rmtree(server.data)
    server.data.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", server.data], capture_output=True).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    try:
        fill_and_free(server)
    finally:
        server.close()
        subprocess.run(["umount", "--lazy", server.data], check=True)


def fill_and_free(server):
    server.start()
    client = server.client()
    hold = {"StartAt": "W", "States": {"W": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "C"}}}
    hold["States"]["C"] = {"Type": "Task", "Resource": LAMBDA + "echo", "ResultPath": None, "OutputPath": "$.seconds", "End": True}
    machine = create_machine(client, "Hold", hold)

    def start(name, seconds, text=""):
        document = json.dumps({"seconds": seconds, "text": text})
        return client.start_execution(stateMachineArn=machine, name=name, input=document)["executionArn"]

    before = [start(f"before-{number}", 4) for number in range(20)]
    ballast = server.data / "ballast"
    with ballast.open("wb") as file:
        try:
            while file.write(b"\0" * 1_048_576):
                file.flush()
        except OSError:
            pass
    refused = None
    started = []
    for number in range(3_000):
        try:
            started.append(start(f"during-{number}", 0, "x" * 100_000))
        except botocore.exceptions.ClientError as error:
            refused = error.response["Error"]["Code"]
            break
    assert refused == "ThrottlingException", "starts are refused, clearly"
    # What runs uses the reserve, and reads are served.
    for arn in before:
        assert ended(client, arn, 30)["status"] == "SUCCEEDED"
    assert len(client.list_executions(stateMachineArn=machine)["executions"]) > 0
    ballast.unlink()

    def starts_again():
        try:
            return start("after", 0)
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ThrottlingException", error
            return None

    after = wait_until("there is room again", starts_again, 30)
    assert ended(client, after, 30)["status"] == "SUCCEEDED"
    server.restart_after_kill()
    client = server.client()
    for arn in [*before, *started, after]:
        assert ended(client, arn, 60)["status"] == "SUCCEEDED"
