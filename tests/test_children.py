"""Executions that start executions, through `kill -9`: one child for each task, and no parent left waiting."""

import json
from concurrent.futures import ThreadPoolExecutor

from server import create_machine, ended, history, types, wait_until

CHILD = {
    "StartAt": "Hold",
    "States": {
        "Hold": {"Type": "Wait", "SecondsPath": "$.seconds", "Next": "Judge"},
        "Judge": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.refuse", "BooleanEquals": True, "Next": "Refused"}],
            "Default": "Done",
        },
        "Refused": {"Type": "Fail", "Error": "Refused", "Cause": "as asked"},
        "Done": {"Type": "Pass", "End": True},
    },
}
PARENTS = 40


def parent_of(child, pattern=".sync:2"):
    task = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::states:startExecution{pattern}",
        "Parameters": {
            "StateMachineArn": child,
            "Input": {"seconds.$": "$.seconds", "refuse.$": "$.refuse", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id"},
        },
        "Catch": [{"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Undo"}],
        "OutputPath": "$.Output" if pattern == ".sync:2" else "$",
        "End": True,
    }
    return {"StartAt": "Run", "States": {"Run": task, "Undo": {"Type": "Pass", "End": True}}}


def test_kills_while_parents_wait_for_children(new_server):
    server = new_server()
    client = server.client()
    child = create_machine(client, "Child", CHILD)
    parent = create_machine(client, "Parent", parent_of(child))

    def start(number):
        document = json.dumps({"seconds": number % 5, "refuse": number % 4 == 0})
        return client.start_execution(stateMachineArn=parent, name=f"p-{number}", input=document)["executionArn"]

    with ThreadPoolExecutor(8) as pool:
        parents = list(pool.map(start, range(PARENTS)))
    for goal in range(PARENTS // 4, PARENTS + 1, PARENTS // 4):

        def closed():
            return len(client.list_executions(stateMachineArn=child, statusFilter="RUNNING")["executions"]) <= PARENTS - goal

        server.kill()
        server.start()
        client = server.client()
        wait_until(f"{goal} children ended", closed, 60)
    for number, arn in enumerate(parents):
        described = ended(client, arn, 60)
        assert described["status"] == "SUCCEEDED", described
        output = json.loads(described["output"])
        if number % 4 == 0:
            cause = json.loads(output["error"]["Cause"])
            assert (cause["Status"], cause["Error"], cause["Cause"]) == ("FAILED", "Refused", "as asked")
        else:
            assert output["seconds"] == number % 5
            assert output["AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"] == arn
    children = client.list_executions(stateMachineArn=child, maxResults=1000)["executions"]
    assert len(children) == PARENTS, "a child for each parent, and no other"
    started_by = [json.loads(client.describe_execution(executionArn=one["executionArn"])["input"]) for one in children]
    assert len({one["AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"] for one in started_by}) == PARENTS


def test_stopping_a_parent_stops_its_child(client):
    child = create_machine(client, "Slow", CHILD)
    parent = create_machine(client, "Stopped", parent_of(child, ".sync"))
    arn = client.start_execution(stateMachineArn=parent, input=json.dumps({"seconds": 3600, "refuse": False}))["executionArn"]
    wait_until("the child runs", lambda: "TaskSubmitted" in types(history(client, arn)), 30)
    client.stop_execution(executionArn=arn, error="Enough", cause="of this")

    def child_status():
        (one,) = client.list_executions(stateMachineArn=child)["executions"]
        return one["status"]

    wait_until("the child is stopped", lambda: child_status() == "ABORTED", 30)
