"""What a definition can say, run by a client: Retry, Catch, time-outs, Wait, Choice, Parallel, Map, failures of functions."""

import json
import time

import pytest

from server import create_machine, history, run, types

FUNCTIONS = {
    "echo": {"handler": "probes.echo"},
    "fail": {"handler": "probes.fail"},
    "flaky": {"handler": "probes.flaky", "concurrency": 1},
    "slow": {"handler": "probes.slow", "timeout_seconds": 1},
    "crash": {"handler": "probes.crash"},
    "environment": {"handler": "probes.environment", "environment": {"DECLARED": "yes"}},
    "noSuchHandler": {"handler": "probes.no_such_function"},
}


def lambda_task(function, **fields):
    return {"Type": "Task", "Resource": f"arn:aws:lambda:us-east-1:123456789012:function:{function}", **fields}


def machine(client, request, states):
    return create_machine(client, request.node.name[:60].replace("[", "-").replace("]", ""), {"StartAt": next(iter(states)), "States": states})


# --- Retry and Catch ---


def test_retry_tries_again_until_it_works(client, request):
    retry = [{"ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "MaxAttempts": 3, "BackoffRate": 1}]
    arn = machine(client, request, {"T": lambda_task("flaky", Retry=retry, End=True)})
    began = time.monotonic()
    execution = run(client, arn, {"key": "a", "times": 2})
    assert execution["output"] == '{"calls": 3}'
    assert time.monotonic() - began >= 1.9
    events = history(client, execution["executionArn"])
    attempt = ["LambdaFunctionScheduled", "LambdaFunctionStarted"]
    failed = [*attempt, "LambdaFunctionFailed"]
    assert types(events)[2:-2] == [*failed, *failed, *attempt, "LambdaFunctionSucceeded"]
    assert [event["previousEventId"] for event in events] == [0, 0, *range(2, len(events))]


def test_retries_that_run_out_leave_the_last_error(client, request):
    retry = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    arn = machine(client, request, {"T": lambda_task("fail", Retry=retry, End=True)})
    execution = run(client, arn, {"message": "never"})
    assert (execution["status"], execution["error"]) == ("FAILED", "CustomError")
    assert json.loads(execution["cause"])["errorMessage"] == "never"
    assert types(history(client, execution["executionArn"])).count("LambdaFunctionFailed") == 2


def test_catch_takes_the_first_catcher_that_fits(client, request):
    catch = [
        {"ErrorEquals": ["Other"], "Next": "Wrong"},
        {"ErrorEquals": ["CustomError"], "ResultPath": "$.failure", "Next": "Right"},
        {"ErrorEquals": ["States.ALL"], "Next": "Wrong"},
    ]
    states = {
        "T": lambda_task("fail", Catch=catch, Next="Wrong"),
        "Right": {"Type": "Pass", "OutputPath": "$.failure.Error", "End": True},
        "Wrong": {"Type": "Fail"},
    }
    execution = run(client, machine(client, request, states), {"message": "m"})
    assert execution["output"] == '"CustomError"'


def test_a_task_times_out_and_is_caught_by_name(client, request):
    catch = [{"ErrorEquals": ["States.Timeout"], "ResultPath": "$.failure", "Next": "Late"}]
    resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"
    parameters = {"FunctionName": "echo", "Payload": {"token.$": "$$.Task.Token"}}
    task = {"Type": "Task", "Resource": resource, "Parameters": parameters, "TimeoutSeconds": 1, "Catch": catch, "End": True}
    execution = run(client, machine(client, request, {"T": task, "Late": {"Type": "Pass", "End": True}}))
    assert json.loads(execution["output"])["failure"]["Error"] == "States.Timeout"
    timed_out = [event for event in history(client, execution["executionArn"]) if event["type"] == "TaskTimedOut"]
    details = timed_out[0]["taskTimedOutEventDetails"]
    assert details == {"resourceType": "lambda", "resource": "invoke.waitForTaskToken", "error": "States.Timeout"}


def test_an_execution_times_out(client):
    definition = {"StartAt": "W", "TimeoutSeconds": 1, "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}
    execution = run(client, create_machine(client, "TimesOut", definition))
    assert execution["status"] == "TIMED_OUT" and "error" not in execution and "cause" not in execution
    last = history(client, execution["executionArn"])[-1]
    assert (last["type"], last["previousEventId"]) == ("ExecutionTimedOut", 0)
    assert last["executionTimedOutEventDetails"] == {"error": "States.Timeout"}


# --- functions ---


def test_lambda_invoke_has_its_own_result(client, request):
    parameters = {"FunctionName": "echo", "Payload.$": "$"}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters, "End": True}
    execution = run(client, machine(client, request, {"T": task}), {"n": [1.50, "ü"]})
    output = json.loads(execution["output"])
    assert output["Payload"] == {"n": [1.50, "ü"]} and output["StatusCode"] == 200
    assert output["ExecutedVersion"] == "$LATEST"
    assert types(history(client, execution["executionArn"]))[2:5] == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]


def test_functions_see_their_own_environment_only(client, request):
    execution = run(client, machine(client, request, {"T": lambda_task("environment", End=True)}))
    environment = json.loads(execution["output"])
    assert environment["DECLARED"] == "yes" and environment["AWS_LAMBDA_FUNCTION_NAME"] == "environment"
    assert "SECRET_OF_THE_SERVER" not in environment and "AWS_SECRET_ACCESS_KEY" not in environment


@pytest.mark.parametrize(
    "function, error",
    [
        ("crash", "Runtime.ExitError"),
        ("slow", "Sandbox.Timedout"),
        ("noSuchHandler", "Runtime.HandlerNotFound"),
        ("notDeclared", "Lambda.ResourceNotFoundException"),
    ],
)
def test_what_a_broken_function_becomes(client, request, function, error):
    execution = run(client, machine(client, request, {"T": lambda_task(function, End=True)}), {"until": "/nowhere"})
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    if function == "notDeclared":
        assert "[lambda.notDeclared]" in execution["cause"]


def test_an_integration_that_is_not_there_yet_is_accepted_and_fails_when_it_runs(client, request):
    parameters = {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/1/q", "MessageBody": "hello"}
    task = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": parameters, "End": True}
    execution = run(client, machine(client, request, {"T": task}))
    assert execution["status"] == "FAILED" and "sqs" in execution["cause"]


# --- the other states ---


def test_wait_waits(client, request):
    arn = machine(client, request, {"W": {"Type": "Wait", "Seconds": 1, "End": True}})
    execution = run(client, arn, {"a": 1})
    assert execution["output"] == '{"a": 1}'
    assert (execution["stopDate"] - execution["startDate"]).total_seconds() >= 1
    assert types(history(client, execution["executionArn"]))[1:-1] == ["WaitStateEntered", "WaitStateExited"]


def test_choice_chooses(client, request):
    choices = [
        {"Variable": "$.n", "NumericGreaterThan": 10, "Next": "Big"},
        {"And": [{"Variable": "$.s", "IsPresent": True}, {"Variable": "$.s", "StringMatches": "a*"}], "Next": "Starts"},
    ]
    states = {"C": {"Type": "Choice", "Choices": choices, "Default": "Other"}}
    states |= {name: {"Type": "Pass", "Result": name, "End": True} for name in ("Big", "Starts", "Other")}
    arn = machine(client, request, states)
    for document, chosen in [({"n": 11}, "Big"), ({"n": 1, "s": "abc"}, "Starts"), ({"n": 1}, "Other")]:
        assert json.loads(run(client, arn, document)["output"]) == chosen


def test_parallel_joins_in_the_order_of_its_branches(client, request):
    def branch(name, seconds):
        states = {f"{name}W": {"Type": "Wait", "Seconds": seconds, "Next": name}, name: {"Type": "Pass", "Result": name, "End": True}}
        return {"StartAt": f"{name}W", "States": states}

    parallel = {"Type": "Parallel", "Branches": [branch("Slow", 1), branch("Fast", 0)], "ResultPath": "$.all", "End": True}
    execution = run(client, machine(client, request, {"P": parallel}), {"a": 1})
    assert json.loads(execution["output"]) == {"a": 1, "all": ["Slow", "Fast"]}
    events = history(client, execution["executionArn"])
    entered = [e["previousEventId"] for e in events if e["type"] == "WaitStateEntered"]
    started = next(e["id"] for e in events if e["type"] == "ParallelStateStarted")
    assert entered == [started, started]
    succeeded, exited = events[-3], events[-2]
    assert (succeeded["type"], exited["type"]) == ("ParallelStateSucceeded", "ParallelStateExited")
    assert succeeded["previousEventId"] == exited["previousEventId"] == succeeded["id"] - 1


def test_a_failing_branch_ends_its_siblings(client, request):
    branches = [
        {"StartAt": "Bad", "States": {"Bad": {"Type": "Fail", "Error": "Broken", "Cause": "as told"}}},
        {"StartAt": "Long", "States": {"Long": {"Type": "Wait", "Seconds": 600, "End": True}}},
    ]
    catch = [{"ErrorEquals": ["Broken"], "Next": "After"}]
    states = {"P": {"Type": "Parallel", "Branches": branches, "Catch": catch, "End": True}, "After": {"Type": "Pass", "End": True}}
    execution = run(client, machine(client, request, states))
    assert json.loads(execution["output"]) == {"Error": "Broken", "Cause": "as told"}
    assert "ParallelStateFailed" in types(history(client, execution["executionArn"]))


def test_map_runs_each_item_through_a_function(client, request):
    processor = {"StartAt": "Each", "States": {"Each": lambda_task("echo", End=True)}}
    items = {"index.$": "$$.Map.Item.Index", "value.$": "$$.Map.Item.Value"}
    task = {"Type": "Map", "ItemsPath": "$.items", "ItemSelector": items, "ItemProcessor": processor, "MaxConcurrency": 2, "End": True}
    execution = run(client, machine(client, request, {"M": task}), {"items": ["a", "b", "c"]})
    assert json.loads(execution["output"]) == [{"index": n, "value": v} for n, v in enumerate("abc")]
    seen = types(history(client, execution["executionArn"]))
    assert [seen.count(f"MapIteration{what}") for what in ("Started", "Succeeded", "Failed")] == [3, 3, 0]


def test_a_parallel_inside_a_map_retries_and_joins(client, request):
    retry = [{"ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "MaxAttempts": 2}]
    flaky = {"StartAt": "F", "States": {"F": lambda_task("flaky", Retry=retry, End=True)}}
    other = {"StartAt": "O", "States": {"O": {"Type": "Pass", "End": True}}}
    processor = {"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": [flaky, other], "End": True}}}
    states = {"M": {"Type": "Map", "ItemProcessor": processor, "End": True}}
    items = [{"key": f"nested-{n}", "times": n % 2} for n in range(4)]
    execution = run(client, machine(client, request, states), items)
    assert json.loads(execution["output"]) == [[{"calls": item["times"] + 1}, item] for item in items]


def test_a_bad_definition_is_refused_with_its_place(client):
    with pytest.raises(client.exceptions.InvalidDefinition) as refused:
        create_machine(client, "Bad", {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}}})
    assert "/States/A" in refused.value.response["Error"]["Message"]
