"""The query languages, variables and validation, as a client meets them."""

import json
import subprocess

import pytest
from botocore.exceptions import ClientError

from server import BINARY, create_machine, ended, history, run, types

FUNCTIONS = {"echo": {"handler": "probes.echo"}, "fail": {"handler": "probes.fail"}}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"


def jsonata(*states):
    return {"QueryLanguage": "JSONata", "StartAt": states[0][0], "States": dict(states)}


def test_jsonata_from_arguments_to_output(client):
    order = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": FUNCTION + "echo", "Payload": {"total": "{% $sum($states.input.items.(price * count)) %}"}},
        "Assign": {"total": "{% $states.result.Payload.total %}"},
        "Output": "{% $states.result.Payload %}",
        "Next": "Large?",
    }
    choice = {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $total > 100 %}", "Output": "{% 'large: ' & $total %}", "Next": "Done"}],
        "Default": "Done",
    }
    arn = create_machine(client, "jsonata-order", jsonata(("Order", order), ("Large?", choice), ("Done", {"Type": "Succeed"})))
    execution = run(client, arn, {"items": [{"price": 30.5, "count": 4}, {"price": 1, "count": 2}]})
    assert execution["output"] == '"large: 124"'
    exited = [event for event in history(client, execution["executionArn"]) if event["type"] == "TaskStateExited"]
    assert exited[0]["stateExitedEventDetails"]["assignedVariables"] == {"total": "124"}
    assert client.describe_state_machine(stateMachineArn=arn)["variableReferences"] == {"Large?": ["total"]}


def test_an_expression_that_fails_is_recorded_and_caught(client):
    task = {
        "Type": "Task",
        "Resource": FUNCTION + "echo",
        "Arguments": "{% $states.input.missing %}",
        "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Output": "{% $states.errorOutput.Error %}", "Next": "Done"}],
        "End": True,
    }
    arn = create_machine(client, "jsonata-fails", jsonata(("T", task), ("Done", {"Type": "Succeed"})))
    execution = run(client, arn, {})
    assert execution["output"] == '"States.QueryEvaluationError"'
    events = history(client, execution["executionArn"])
    assert types(events)[1:4] == ["TaskStateEntered", "EvaluationFailed", "TaskStateExited"]
    details = events[2]["evaluationFailedEventDetails"]
    assert (details["location"], details["state"], events[2]["previousEventId"]) == ("Arguments", "T", 0)
    assert details["cause"].endswith(
        "The JSONata expression '$states.input.missing' specified for the field 'Arguments' returned nothing (undefined)."
    )


def test_a_slow_expression_ends_and_delays_nobody(client):
    endless = {"Type": "Pass", "Output": "{% ($f := function($n) { $f($n + 1) }; $f(0)) %}", "End": True}
    slow = create_machine(client, "endless", jsonata(("P", endless)))
    quick = create_machine(client, "quick", {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}})
    started = client.start_execution(stateMachineArn=slow)["executionArn"]
    assert run(client, quick, {})["status"] == "SUCCEEDED"
    execution = run(client, slow, {})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.QueryEvaluationError")
    assert started != execution["executionArn"]


def test_variables_and_intrinsic_functions_of_jsonpath(client):
    states = {
        "Set": {"Type": "Pass", "Assign": {"greeting": "Hello", "names.$": "$.names"}, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "ItemsPath": "$names",
            "ItemSelector": {"text.$": "States.Format('{}, {}!', $greeting, $$.Map.Item.Value)"},
            "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "OutputPath": "$.text", "End": True}}},
            "End": True,
        },
    }
    arn = create_machine(client, "greetings", {"StartAt": "Set", "States": states})
    assert json.loads(run(client, arn, {"names": ["Ada", "Grace"]})["output"]) == ["Hello, Ada!", "Hello, Grace!"]


def test_numbers_keep_their_text(client):
    states = {"P": {"Type": "Pass", "Parameters": {"n.$": "$.n"}, "End": True}}
    arn = create_machine(client, "numbers", {"StartAt": "P", "States": states})
    started = client.start_execution(stateMachineArn=arn, input='{"n": [1, 1.0, 123456789012345678901234567890, 0.10]}')
    output = ended(client, started["executionArn"])["output"]
    assert output == '{"n":[1,1.0,123456789012345678901234567890,0.10]}'


WRONG = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "C": {"Type": "Pass", "Colour": 1, "End": True}}}


def test_validation_says_the_same_everywhere(client, tmp_path):
    answer = client.validate_state_machine_definition(definition=json.dumps(WRONG))
    assert answer["result"] == "FAIL"
    said = [f"{finding['code']}: {finding['message']} at {finding['location']}" for finding in answer["diagnostics"]]
    assert "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next" in said
    with pytest.raises(ClientError) as refused:
        create_machine(client, "wrong", WRONG)
    assert refused.value.response["Error"]["Message"] == f"Invalid State Machine Definition: '{', '.join(said)}'"

    file = tmp_path / "wrong.asl.json"
    file.write_text(json.dumps(WRONG, indent=1))
    finished = subprocess.run([BINARY, "validate", "--format", "json", file], capture_output=True, text=True, timeout=60)
    assert finished.returncode == 1
    printed = [json.loads(line) for line in finished.stdout.splitlines()]
    assert [f"{finding['code']}: {finding['message']} at {finding['location']}" for finding in printed] == said
    [dangling] = [finding for finding in printed if finding["location"] == "/States/A/Next"]
    assert file.read_text().splitlines()[dangling["line"] - 1].strip() == '"Next": "B"'


def test_a_right_definition_is_ok_and_warnings_are_asked_for(client):
    definition = json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": {"a.$": "$.b"}, "End": True}}})
    assert client.validate_state_machine_definition(definition=definition)["diagnostics"] == []
    answer = client.validate_state_machine_definition(definition=definition, severity="WARNING")
    assert (answer["result"], [finding["code"] for finding in answer["diagnostics"]]) == ("OK", ["PASS_RESULT_IS_STATIC"])
