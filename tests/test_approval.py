"""A person approves: `lambda:invoke.waitForTaskToken` waits for an answer, also across a kill -9."""

import json

import pytest

from server import create_machine, ended, history, types, wait_for_event, wait_until

FUNCTIONS = {"ask": {"handler": "probes.ask"}, "fail": {"handler": "probes.fail"}}


def approval(**fields):
    parameters = {"FunctionName": "ask", "Payload": {"order.$": "$.order", "token.$": "$$.Task.Token"}}
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": parameters,
        "ResultPath": "$.approval",
        "End": True,
        **fields,
    }
    return {"StartAt": "Approve", "States": {"Approve": task}}


def asked(server, order):
    """The event that the person got, once it is there."""
    calls = wait_until("the person is asked", lambda: [c for c in server.ledger.entries() if c["order"].get("order") == order])
    return calls[0]["order"]


def start(client, machine, order):
    return client.start_execution(stateMachineArn=machine, input=json.dumps({"order": order}))["executionArn"]


def test_waits_for_the_token_and_takes_its_output(server, client):
    machine = create_machine(client, "Approval", approval())
    arn = start(client, machine, "a-1")
    token = asked(server, "a-1")["token"]
    wait_for_event(client, arn, "TaskSubmitted")
    assert client.describe_execution(executionArn=arn)["status"] == "RUNNING"
    client.send_task_success(taskToken=token, output='{"by":"Ann"}')
    execution = ended(client, arn)
    assert json.loads(execution["output"]) == {"order": "a-1", "approval": {"by": "Ann"}}
    events = history(client, arn)
    assert types(events) == [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["previousEventId"] for event in events] == [0, 0, 2, 3, 4, 5, 6, 7]
    scheduled = events[2]["taskScheduledEventDetails"]
    assert (scheduled["resourceType"], scheduled["resource"]) == ("lambda", "invoke.waitForTaskToken")
    assert json.loads(scheduled["parameters"])["Payload"] == {"order": "a-1", "token": token}
    assert events[5]["taskSucceededEventDetails"]["output"] == '{"by":"Ann"}'
    with pytest.raises(client.exceptions.TaskTimedOut):
        client.send_task_success(taskToken=token, output="{}")


def test_survives_a_kill_and_goes_on_with_the_token_from_before_it(new_server):
    server = new_server(FUNCTIONS)
    client = server.client()
    machine = create_machine(client, "Approval", approval())
    arn = start(client, machine, "a-2")
    token = asked(server, "a-2")["token"]
    before = wait_for_event(client, arn, "TaskSubmitted")
    server.restart_after_kill()
    client = server.client()
    assert history(client, arn) == before
    client.send_task_success(taskToken=token, output='"yes"')
    execution = ended(client, arn)
    assert json.loads(execution["output"])["approval"] == "yes"
    # The call was answered before the kill: nobody is asked twice.
    assert len(server.ledger.entries()) == 1
    assert types(history(client, arn)).count("TaskScheduled") == 1


def test_a_refusal_fails_the_task_by_its_error(server, client):
    machine = create_machine(client, "Refusal", approval())
    arn = start(client, machine, "a-3")
    token = asked(server, "a-3")["token"]
    client.send_task_failure(taskToken=token, error="Refused", cause="too expensive")
    execution = ended(client, arn)
    assert (execution["status"], execution["error"], execution["cause"]) == ("FAILED", "Refused", "too expensive")


def test_an_answer_may_come_before_the_function_returns(server, client):
    machine = create_machine(client, "Impatient", approval(TimeoutSeconds=600))
    arn = start(client, machine, "a-4")
    client.send_task_success(taskToken=asked(server, "a-4")["token"], output="1")
    assert json.loads(ended(client, arn)["output"])["approval"] == 1


def test_without_an_answer_the_task_times_out(server, client):
    machine = create_machine(client, "Forgotten", approval(TimeoutSeconds=1))
    arn = start(client, machine, "a-5")
    execution = ended(client, arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Timeout") and "cause" not in execution
    with pytest.raises(client.exceptions.TaskTimedOut):
        client.send_task_success(taskToken=asked(server, "a-5")["token"], output="{}")


def test_a_missed_heartbeat_times_the_task_out(server, client):
    machine = create_machine(client, "Heartbeats", approval(TimeoutSeconds=60, HeartbeatSeconds=1))
    silent = start(client, machine, "a-6")
    execution = ended(client, silent)
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Timeout")


def test_forged_and_garbled_tokens_change_nothing(server, client):
    machine = create_machine(client, "Forged", approval())
    arn = start(client, machine, "a-7")
    token = asked(server, "a-7")["token"]
    middle = len(token) // 2
    forged = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for bad in (forged, "AAAA", "…", token + "A"):
        with pytest.raises(client.exceptions.InvalidToken):
            client.send_task_success(taskToken=bad, output="{}")
    with pytest.raises(client.exceptions.InvalidOutput):
        client.send_task_success(taskToken=token, output="no json")
    assert client.describe_execution(executionArn=arn)["status"] == "RUNNING"
    client.send_task_success(taskToken=token, output="{}")
    assert ended(client, arn)["status"] == "SUCCEEDED"


def test_a_function_that_fails_fails_the_task(server, client):
    definition = approval()
    definition["States"]["Approve"]["Parameters"] = {"FunctionName": "fail", "Payload": {"message.$": "$$.Task.Token"}}
    machine = create_machine(client, "FailingFunction", definition)
    execution = ended(client, start(client, machine, "a-8"))
    assert (execution["status"], execution["error"]) == ("FAILED", "CustomError")
