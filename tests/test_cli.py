"""The README's commands: the saga by hand, with the AWS CLI."""

import json
import os
import subprocess
import sys
from pathlib import Path

from server import REPOSITORY, BINARY, ROLE, wait_until
from test_saga import FUNCTIONS  # noqa: F401: what the server declares

SAGA = REPOSITORY / "examples/order-saga"
AWS = str(Path(sys.executable).parent / "aws")


def aws(server, *arguments):
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
    }
    command = [AWS, "stepfunctions", *arguments, "--endpoint-url", server.url, "--output", "json"]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout) if finished.stdout.strip() else {}


def test_aws_cli_runs_the_saga(server):
    definition = f"file://{SAGA / 'order-saga.asl.json'}"
    created = aws(server, "create-state-machine", "--name", "OrderSaga", "--role-arn", ROLE, "--definition", definition)
    machine = created["stateMachineArn"]
    assert machine == "arn:aws:states:us-east-1:123456789012:stateMachine:OrderSaga"

    order = json.dumps({"id": "cli-1", "refuse": "reserveInventory"})
    started = aws(server, "start-execution", "--state-machine-arn", machine, "--name", "cli-1", "--input", order)
    execution = started["executionArn"]

    def described():
        answer = aws(server, "describe-execution", "--execution-arn", execution)
        return answer if answer["status"] != "RUNNING" else None

    answer = wait_until("the execution ends", described)
    assert (answer["status"], answer["cause"], answer["name"]) == ("FAILED", "Saga execution failed", "cli-1")

    events = aws(server, "get-execution-history", "--execution-arn", execution)["events"]
    entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
    assert entered == ["CreateOrder", "ProcessPayment", "ReserveInventory", "RefundPayment", "CancelOrder", "FailSaga"]

    # The CLI pages by itself: one at a time gives the same list.
    pages = aws(server, "get-execution-history", "--execution-arn", execution, "--page-size", "1")["events"]
    assert pages == events
    listed = aws(server, "list-executions", "--state-machine-arn", machine, "--status-filter", "FAILED")
    assert [item["name"] for item in listed["executions"]] == ["cli-1"]
    assert aws(server, "list-state-machines")["stateMachines"][0]["name"] == "OrderSaga"


def test_aws_cli_shows_the_error(server):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    arn = "arn:aws:states:us-east-1:123456789012:execution:OrderSaga:nobody"
    command = [AWS, "stepfunctions", "describe-execution", "--execution-arn", arn, "--endpoint-url", server.url]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert finished.returncode != 0
    assert "ExecutionDoesNotExist" in finished.stderr and f"Execution Does Not Exist: '{arn}'" in finished.stderr


# --- skald itself ---


def skald(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=30)


def test_version_names_the_release():
    finished = skald("version")
    assert finished.returncode == 0 and "0.1.0" in finished.stdout


def test_validate_warns_of_the_placeholder_arns_with_their_place():
    finished = skald("validate", SAGA / "order-saga.asl.json")
    assert finished.returncode == 0
    said = finished.stdout + finished.stderr
    assert "order-saga.asl.json" in said and "/States/CreateOrder" in said


def test_validate_refuses_a_bad_definition_with_file_and_place(tmp_path):
    good, bad = SAGA / "order-saga-complete.asl.json", tmp_path / "bad.asl.json"
    bad.write_text(json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}}}))
    finished = skald("validate", good, bad)
    assert finished.returncode == 1
    said = finished.stdout + finished.stderr
    assert "bad.asl.json" in said and "/States/A" in said and "Nowhere" in said


def test_validate_of_a_missing_file_fails_by_name(tmp_path):
    finished = skald("validate", tmp_path / "no-such.json")
    assert finished.returncode == 1 and "no-such.json" in finished.stdout + finished.stderr


def test_another_machine_may_listen_elsewhere_only_when_told_so(tmp_path):
    finished = skald("server", "--listen", "0.0.0.0:0", "--data", tmp_path / "data")
    assert finished.returncode != 0 and "--insecure-no-auth" in finished.stderr
