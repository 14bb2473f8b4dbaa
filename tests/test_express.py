"""Express machines: run to their end for one caller, or started and forgotten; and what machines have logged."""

import contextlib
import http.client
import json
import socket
import threading
import time

import pytest
from botocore.exceptions import ClientError

from server import ROLE, create_machine, run, wait_until

FUNCTIONS = {"echo": {"handler": "probes.echo"}, "fail": {"handler": "probes.fail"}, "slow": {"handler": "probes.slow"}}
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/vendedlogs/states/test:*"


def create_express(client, name, states, logging=None):
    first = next(iter(states))
    more = {"loggingConfiguration": logging} if logging else {}
    definition = json.dumps({"StartAt": first, "States": states})
    return client.create_state_machine(name=name, definition=definition, roleArn=ROLE, type="EXPRESS", **more)["stateMachineArn"]


def logging(level, data=True):
    destination = {"cloudWatchLogsLogGroup": {"logGroupArn": LOG_GROUP}}
    return {"level": level, "includeExecutionData": data, "destinations": [destination]}


def task(function, **fields):
    return {"Type": "Task", "Resource": f"arn:aws:lambda:us-east-1:123456789012:function:{function}", **fields}


def logged(server, arn):
    """What the execution log says of an execution, in order."""
    records = []
    for line in server.log.read_text().splitlines():
        if line.startswith('{"target":"skald::execution_log"'):
            record = json.loads(line)
            if record["execution_arn"] == arn:
                records.append(record)
    return records


def wait_for_end(server, arn):
    def look():
        records = logged(server, arn)
        ends = {"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"}
        return records if records and records[-1]["type"] in ends else None

    return wait_until(f"the end of {arn} is logged", look)


def refusal(call, **members):
    with pytest.raises(ClientError) as refused:
        call(**members)
    return refused.value.response["Error"]


def test_a_synchronous_execution_answers_how_it_ended(client):
    machine = create_express(client, "sync", {"P": {"Type": "Pass", "Next": "T"}, "T": task("echo", End=True)})
    answer = client.start_sync_execution(stateMachineArn=machine, name="one", input='{"a": 1.0}', traceHeader="Root=1-a")
    prefix = "arn:aws:states:us-east-1:123456789012:express:sync:one:"
    assert answer["executionArn"].startswith(prefix)
    assert len(answer["executionArn"]) == len(prefix) + 36
    assert (answer["status"], answer["name"], answer["stateMachineArn"]) == ("SUCCEEDED", "one", machine)
    assert (answer["input"], json.loads(answer["output"])) == ('{"a": 1.0}', {"a": 1.0})
    assert answer["inputDetails"] == answer["outputDetails"] == {"included": True}
    assert answer["traceHeader"] == "Root=1-a"
    assert answer["startDate"] <= answer["stopDate"]
    billed = answer["billingDetails"]
    assert billed["billedMemoryUsedInMB"] == 64
    assert billed["billedDurationInMilliseconds"] % 100 == 0 and billed["billedDurationInMilliseconds"] > 0
    # A name is none for ever.
    again = client.start_sync_execution(stateMachineArn=machine, name="one")
    assert again["executionArn"] != answer["executionArn"]


def test_a_synchronous_failure_is_an_answer(client):
    machine = create_express(client, "failure", {"F": {"Type": "Fail", "Error": "Own.Error", "Cause": "as told"}})
    answer = client.start_sync_execution(stateMachineArn=machine)
    assert (answer["status"], answer["error"], answer["cause"]) == ("FAILED", "Own.Error", "as told")
    assert "output" not in answer and answer["outputDetails"] == {"included": True}
    hidden = client.start_sync_execution(stateMachineArn=machine, includedData="METADATA_ONLY")
    assert hidden["status"] == "FAILED"
    assert not {"input", "inputDetails", "outputDetails", "error", "cause"} & set(hidden)


def test_time_outs_retries_and_catches_work_in_memory(server, client):
    states = {
        "T": task(
            "slow",
            TimeoutSeconds=1,
            Retry=[{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1, "IntervalSeconds": 1}],
            Catch=[{"ErrorEquals": ["States.ALL"], "Next": "W"}],
            Next="W",
        ),
        "W": {"Type": "Wait", "Seconds": 1, "End": True},
    }
    machine = create_express(client, "timing", states)
    answer = client.start_sync_execution(stateMachineArn=machine, input='{"until": "/never"}')
    assert (answer["status"], json.loads(answer["output"])["Error"]) == ("SUCCEEDED", "States.Timeout")
    assert answer["billingDetails"]["billedDurationInMilliseconds"] >= 4_000


def test_a_machine_that_times_out_says_so(client):
    definition = {"StartAt": "W", "TimeoutSeconds": 1, "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}}
    text = json.dumps(definition)
    machine = client.create_state_machine(name="out-of-time", definition=text, roleArn=ROLE, type="EXPRESS")["stateMachineArn"]
    answer = client.start_sync_execution(stateMachineArn=machine)
    assert (answer["status"], answer["error"]) == ("TIMED_OUT", "States.Timeout")


def test_jsonata_parallel_and_map_run_in_memory(client):
    states = {
        "M": {
            "Type": "Map",
            "QueryLanguage": "JSONata",
            "Items": "{% [1..20] %}",
            "ItemProcessor": {"StartAt": "S", "States": {"S": task("echo", QueryLanguage="JSONata", Arguments="{% {'n': $states.input} %}", Output="{% $states.result.n * 2 %}", End=True)}},
            "Output": "{% $sum($states.result) %}",
            "End": True,
        }
    }
    machine = create_express(client, "fan-out", states)
    answer = client.start_sync_execution(stateMachineArn=machine)
    assert (answer["status"], answer.get("output"), answer.get("cause")) == ("SUCCEEDED", "420", None)


def test_an_asynchronous_execution_is_known_by_its_log_alone(server, client):
    machine = create_express(client, "async", {"P": {"Type": "Pass", "Result": {"done": True}, "End": True}}, logging("ALL"))
    arn = client.start_execution(stateMachineArn=machine, name="one", input="{}")["executionArn"]
    assert ":express:async:one:" in arn
    assert client.start_execution(stateMachineArn=machine, name="one", input="{}")["executionArn"] != arn
    records = wait_for_end(server, arn)
    assert [record["type"] for record in records] == ["ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"]
    last = records[-1]
    assert last["details"] == {"output": '{"done":true}', "outputDetails": {"truncated": False}}
    assert (last["id"], last["previous_event_id"], last["redrive_count"], last["log_group_arn"]) == ("4", "3", "0", LOG_GROUP)
    assert abs(int(last["event_timestamp"]) / 1_000 - time.time()) < 60
    wrong = {"Code": "InvalidArn", "Message": "Invalid Arn: 'Resource type not valid in this context: express'"}
    for call in (client.describe_execution, client.stop_execution, client.get_execution_history):
        assert refusal(call, executionArn=arn) == wrong


def test_types_do_not_mix(client):
    wrong = {"Code": "StateMachineTypeNotSupported", "Message": "This operation is not supported by this type of state machine"}
    express = create_express(client, "typed", {"P": {"Type": "Pass", "End": True}})
    standard = create_machine(client, "standard", {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
    assert refusal(client.list_executions, stateMachineArn=express) == wrong
    assert refusal(client.start_sync_execution, stateMachineArn=standard) == wrong
    described = client.describe_state_machine(stateMachineArn=express)
    assert (described["type"], described["status"]) == ("EXPRESS", "ACTIVE")
    listed = {machine["name"]: machine["type"] for machine in client.list_state_machines()["stateMachines"]}
    assert (listed["typed"], listed["standard"]) == ("EXPRESS", "STANDARD")
    other_type = {"name": "typed", "definition": described["definition"], "roleArn": ROLE, "type": "STANDARD"}
    assert refusal(client.create_state_machine, **other_type)["Code"] == "StateMachineAlreadyExists"
    client.update_state_machine(stateMachineArn=express, definition=json.dumps({"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}))
    assert client.start_sync_execution(stateMachineArn=express)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "resource, message",
    [
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Express state machine does not support '.waitForTaskToken'"),
        ("arn:aws:states:::states:startExecution.sync", "Express state machine does not support '.sync' service integration"),
        ("arn:aws:states:us-east-1:123456789012:activity:a", "Express state machine does not support Activity ARN"),
    ],
)
def test_what_takes_longer_than_an_express_execution_is_refused(client, resource, message):
    parameters = {"Parameters": {"QueueUrl": "q", "MessageBody.$": "$$.Task.Token"}} if "sqs" in resource else {}
    if "startExecution" in resource:
        parameters = {"Parameters": {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:other"}}
    states = {"T": {"Type": "Task", "Resource": resource, **parameters, "End": True}}
    with pytest.raises(ClientError) as refused:
        create_express(client, "refused", states)
    assert refused.value.response["Error"]["Code"] == "InvalidDefinition"
    assert message in refused.value.response["Error"]["Message"]


def ask_in_vain(server, machine):
    with contextlib.suppress(OSError, http.client.HTTPException):
        server.action("StartSyncExecution", {"stateMachineArn": machine, "name": "gone"})


def test_what_had_not_ended_at_a_crash_runs_again(new_server, tmp_path):
    server = new_server(FUNCTIONS)
    client = server.client()
    machine = create_express(client, "crash", {"T": task("slow", End=True)}, logging("ALL"))
    go = tmp_path / "go"
    ended = client.start_execution(stateMachineArn=machine, input=json.dumps({"until": "/"}))["executionArn"]
    wait_for_end(server, ended)
    open_ones = [client.start_execution(stateMachineArn=machine, input=json.dumps({"until": str(go)}))["executionArn"] for _ in range(3)]
    # Synchronous ones are at most once.
    threading.Thread(target=ask_in_vain, args=(server, machine), daemon=True).start()
    wait_until("functions run", lambda: len(server.ledger.entries(function="slow")) >= 4)
    time.sleep(0.2)
    server.restart_after_kill()
    go.touch()
    for arn in open_ones:
        records = wait_for_end(server, arn)
        assert [record["type"] for record in records].count("ExecutionStarted") == 2
        assert records[-1]["type"] == "ExecutionSucceeded"
    assert [record["type"] for record in logged(server, ended)].count("ExecutionStarted") == 1, "it had ended"
    # Nothing is left of those that have ended.
    wait_until("all have ended", lambda: "skald_express_running 0" in server.request("GET", "/metrics")[2].decode())
    server.restart_after_kill()
    time.sleep(0.5)
    for arn in open_ones:
        assert [record["type"] for record in logged(server, arn)].count("ExecutionStarted") == 2
    begun = [line for line in server.log.read_text().splitlines() if ":crash:gone:" in line and "ExecutionStarted" in line]
    assert len(begun) == 1, "nobody waits for it any more"


def test_a_client_that_is_gone_leaks_nothing(server, client, tmp_path):
    go = tmp_path / "go"
    machine = create_express(client, "gone", {"T": task("slow", End=True)}, logging("ALL"))
    body = json.dumps({"stateMachineArn": machine, "name": "left", "input": json.dumps({"until": str(go)})})
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: AWSStepFunctions.StartSyncExecution\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall((head + body).encode())
        wait_until("it runs", lambda: "skald_express_running 1" in server.request("GET", "/metrics")[2].decode())
    time.sleep(0.2)
    # As on AWS it goes on without its caller.
    assert "skald_express_running 1" in server.request("GET", "/metrics")[2].decode()
    go.touch()
    wait_until("it has ended", lambda: "skald_express_running 0" in server.request("GET", "/metrics")[2].decode())
    is_end = lambda line: ":gone:left:" in line and "ExecutionSucceeded" in line
    wait_until("its end is logged", lambda: any(map(is_end, server.log.read_text().splitlines())))


def test_endless_loops_leave_others_their_turn(new_server):
    server = new_server(memory=True)
    client = server.client()
    states = {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "C"}], "Default": "A"},
        "C": {"Type": "Succeed"},
    }
    endless = create_express(client, "endless", states)
    quick = create_express(client, "quick", {"P": {"Type": "Pass", "End": True}})
    for _ in range(50):
        client.start_execution(stateMachineArn=endless)
    took = []
    for _ in range(50):
        began = time.monotonic()
        assert client.start_sync_execution(stateMachineArn=quick)["status"] == "SUCCEEDED"
        took.append(time.monotonic() - began)
    assert sorted(took)[45] < 0.5, sorted(took)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 10


def test_standard_machines_are_logged_as_they_ask_for(server, client):
    definition = json.dumps({"StartAt": "T", "States": {"T": task("fail", End=True)}})
    more = {"loggingConfiguration": logging("ERROR", data=False)}
    machine = client.create_state_machine(name="logged", definition=definition, roleArn=ROLE, **more)["stateMachineArn"]
    ended = run(client, machine, {"message": "as told"})
    records = wait_for_end(server, ended["executionArn"])
    assert [record["type"] for record in records] == ["LambdaFunctionFailed", "ExecutionFailed"]
    assert "as told" in records[0]["details"]["cause"] and "input" not in records[0]["details"]
    # Without data nothing that passes through is shown.
    client.update_state_machine(stateMachineArn=machine, loggingConfiguration=logging("ALL", data=False))
    ended = run(client, machine, {"message": "secret"})
    records = wait_for_end(server, ended["executionArn"])
    assert records[0]["details"] == {"roleArn": ROLE}
    assert not any({"input", "inputDetails"} & set(record["details"]) for record in records)
    client.update_state_machine(stateMachineArn=machine, loggingConfiguration={"level": "OFF"})
    assert logged(server, run(client, machine, {})["executionArn"]) == []
