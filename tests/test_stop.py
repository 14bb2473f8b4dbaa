"""Stopping: the server, kindly and not, and single executions."""

import json
import time

from server import create_machine, ended, history, types, wait_for_event, wait_until, wait_until_gone

FUNCTIONS = {
    "slow": {"handler": "probes.slow"},
    "withChild": {"handler": "probes.with_child"},
    "echo": {"handler": "probes.echo"},
}


def task(function, **fields):
    return {"Type": "Task", "Resource": f"arn:aws:lambda:us-east-1:123456789012:function:{function}", **fields}


def started_slow(server, client, function, until):
    states = {"S": task(function, Next="E"), "E": task("echo", End=True)}
    machine = create_machine(client, function, {"StartAt": "S", "States": states})
    arn = client.start_execution(stateMachineArn=machine, input=json.dumps({"until": str(until)}))["executionArn"]
    wait_until("the function runs", lambda: server.ledger.entries(function="slow"))
    return arn


def test_sigterm_waits_for_a_running_function_and_records_its_answer(new_server, tmp_path):
    server = new_server(FUNCTIONS)
    go = tmp_path / "go"
    arn = started_slow(server, server.client(), "slow", go)
    server.terminate()
    # Stopping has begun when it takes nothing new.
    wait_until("the server takes nothing new", lambda: not accepts(server))
    go.touch()
    assert server.process.wait(timeout=15) == 0
    assert wait_until_gone(server.function_processes) == []

    server.start()
    assert ended(server.client(), arn)["status"] == "SUCCEEDED"
    assert len(server.ledger.entries(function="slow")) == 1, "the function was called again"
    events = history(server.client(), arn)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert types(events).count("LambdaFunctionScheduled") == 2


def accepts(server):
    try:
        status, _ = server.action("ListStateMachines", {})
        return status == 200
    except OSError:
        return False


def test_sigterm_does_not_wait_for_ever(new_server, tmp_path):
    hour = {"slow": {"handler": "probes.slow", "timeout_seconds": 60}, "echo": {"handler": "probes.echo"}}
    server = new_server(hour)
    arn = started_slow(server, server.client(), "slow", tmp_path / "never")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 12
    assert wait_until_gone(server.function_processes) == []
    server.start()
    assert ended(server.client(), arn)["status"] == "SUCCEEDED"


def test_no_function_process_outlives_a_stopped_server(new_server, tmp_path):
    server = new_server(FUNCTIONS)
    go = tmp_path / "go"
    arn = started_slow(server, server.client(), "withChild", go)
    assert server.function_processes()
    go.touch()
    ended(server.client(), arn)
    assert server.stop() == 0
    assert wait_until_gone(server.function_processes) == []


def test_no_function_process_outlives_a_killed_server(new_server, tmp_path):
    server = new_server(FUNCTIONS)
    arn = started_slow(server, server.client(), "slow", tmp_path / "go")
    assert server.function_processes()
    server.kill()
    assert wait_until_gone(server.function_processes) == []
    (tmp_path / "go").touch()
    server.start()
    assert ended(server.client(), arn)["status"] == "SUCCEEDED"
    # Invoked again, as the same request.
    requests = {call["request"] for call in server.ledger.entries(function="slow")}
    assert len(server.ledger.entries(function="slow")) == 2 and len(requests) == 1


def test_stop_ends_an_execution_that_waits(server, client):
    definition = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}
    machine = create_machine(client, "Waits", definition)
    arn = client.start_execution(stateMachineArn=machine)["executionArn"]
    stopped = client.stop_execution(executionArn=arn, error="Enough", cause="said so")
    execution = client.describe_execution(executionArn=arn)
    assert (execution["status"], execution["error"], execution["cause"]) == ("ABORTED", "Enough", "said so")
    assert execution["stopDate"] == stopped["stopDate"]
    last = history(client, arn)[-1]
    assert (last["type"], last["previousEventId"]) == ("ExecutionAborted", 0)
    assert last["executionAbortedEventDetails"] == {"error": "Enough", "cause": "said so"}


def loop_of_choice_and_wait(client, seconds):
    choices = [{"Variable": "$.on", "BooleanEquals": True, "Next": "W"}]
    states = {
        "C": {"Type": "Choice", "Choices": choices, "Default": "D"},
        "W": {"Type": "Wait", "Seconds": seconds, "Next": "C"},
        "D": {"Type": "Succeed"},
    }
    machine = create_machine(client, f"Loop{seconds}", {"StartAt": "C", "States": states})
    return client.start_execution(stateMachineArn=machine, input='{"on": true}')["executionArn"]


def test_stop_ends_a_loop_of_choice_and_wait_at_once(client):
    arn = loop_of_choice_and_wait(client, 1)
    wait_for_event(client, arn, "ChoiceStateEntered", 2)
    stop_at_once(client, arn)


def test_stop_ends_a_loop_that_never_rests_at_once(client):
    # It would reach its 25,000 events within seconds.
    stop_at_once(client, loop_of_choice_and_wait(client, 0))


def stop_at_once(client, arn):
    began = time.monotonic()
    client.stop_execution(executionArn=arn)
    assert client.describe_execution(executionArn=arn)["status"] == "ABORTED"
    assert time.monotonic() - began < 1
    events = history(client, arn)
    assert events[-1]["type"] == "ExecutionAborted"
    assert history(client, arn) == events


def test_an_endless_loop_dies_at_event_25000(client):
    choices = [{"Variable": "$.on", "BooleanEquals": True, "Next": "P"}]
    states = {
        "C": {"Type": "Choice", "Choices": choices, "Default": "D"},
        "P": {"Type": "Pass", "Next": "C"},
        "D": {"Type": "Succeed"},
    }
    machine = create_machine(client, "Endless", {"StartAt": "C", "States": states})
    arn = client.start_execution(stateMachineArn=machine, input='{"on": true}')["executionArn"]
    execution = ended(client, arn, 60)
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    assert execution["cause"] == "The execution reached the maximum number of history events (25000)."
    newest = client.get_execution_history(executionArn=arn, reverseOrder=True, maxResults=1)["events"][0]
    assert (newest["id"], newest["type"]) == (25000, "ExecutionFailed")


def test_a_deleted_machine_ends_its_executions_at_their_next_transition(client):
    states = {"W": {"Type": "Wait", "Seconds": 1, "Next": "P"}, "P": {"Type": "Pass", "End": True}}
    machine = create_machine(client, "Deleted", {"StartAt": "W", "States": states})
    arn = client.start_execution(stateMachineArn=machine)["executionArn"]
    client.delete_state_machine(stateMachineArn=machine)
    execution = ended(client, arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
    assert "has been deleted" in execution["cause"]


def test_endless_loops_do_not_hold_the_stopping_server_up(new_server):
    server = new_server()
    states = {
        "Decide": {"Type": "Choice", "Choices": [{"Variable": "$.on", "BooleanEquals": True, "Next": "Again"}], "Default": "Done"},
        "Again": {"Type": "Pass", "Next": "Decide"},
        "Done": {"Type": "Succeed"},
    }
    machine = create_machine(server.client(), "EndlessLoop", {"StartAt": "Decide", "States": states})
    # One carries so much that its slices are decided away from their owner.
    inputs = [{"on": True}] * 30 + [{"on": True, "ballast": "x" * 100_000}] * 3
    for document in inputs:
        server.client().start_execution(stateMachineArn=machine, input=json.dumps(document))
    assert server.stop() == 0
    server.start()
    machines = server.client().list_state_machines()["stateMachines"]
    assert [found["name"] for found in machines] == ["EndlessLoop"]
