"""Every list comes in pages: nothing twice, nothing missing, in AWS's order."""

import json

import pytest

from server import create_machine, ended, history

FUNCTIONS = {}
PASSING = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
WAITING = {"StartAt": "Hold", "States": {"Hold": {"Type": "Wait", "Seconds": 600, "End": True}}}
FAILING = {"StartAt": "No", "States": {"No": {"Type": "Fail", "Error": "No", "Cause": "because"}}}


def paged(client, operation, member, page_size, **arguments):
    pages = client.get_paginator(operation).paginate(**arguments, PaginationConfig={"PageSize": page_size})
    lists = [page[member] for page in pages]
    assert all(len(items) <= page_size for items in lists)
    return [item for items in lists for item in items]


@pytest.mark.parametrize("page_size", [1, 2, 100])
def test_machines(new_server, page_size):
    client = new_server(memory=True).client()
    names = [f"machine-{number:02}" for number in range(7)]
    arns = {create_machine(client, name, PASSING) for name in names}
    listed = paged(client, "list_state_machines", "stateMachines", page_size)
    assert len(listed) == 7 and {item["stateMachineArn"] for item in listed} == arns
    assert all(item["type"] == "STANDARD" for item in listed)


def test_activities(client):
    arns = {client.create_activity(name=f"activity-{number:02}")["activityArn"] for number in range(7)}
    listed = paged(client, "list_activities", "activities", 3)
    assert len(listed) == 7 and {item["activityArn"] for item in listed} == arns


@pytest.fixture(scope="module")
def executions(client):
    """Five that succeeded, five that failed, five that run, of machines of their own."""
    machines = [create_machine(client, name, text) for name, text in [("P", PASSING), ("F", FAILING), ("W", WAITING)]]
    started = {}
    for machine in machines:
        started[machine] = []
        for number in range(5):
            arn = client.start_execution(stateMachineArn=machine, name=f"e-{number}", input=json.dumps(number))
            started[machine].append(arn["executionArn"])
            if machine != machines[2]:
                ended(client, arn["executionArn"])
    return started


@pytest.mark.parametrize("page_size", [1, 2, 1000])
def test_executions_newest_first(client, executions, page_size):
    for machine, arns in executions.items():
        listed = paged(client, "list_executions", "executions", page_size, stateMachineArn=machine)
        assert sorted(item["executionArn"] for item in listed) == sorted(arns)
        dates = [item.get("stopDate") or item["startDate"] for item in listed]
        assert dates == sorted(dates, reverse=True)


def test_executions_by_status(client, executions):
    for machine, status in zip(executions, ["SUCCEEDED", "FAILED", "RUNNING"]):
        for wanted in ["SUCCEEDED", "FAILED", "RUNNING", "ABORTED", "TIMED_OUT"]:
            listed = paged(client, "list_executions", "executions", 2, stateMachineArn=machine, statusFilter=wanted)
            assert len(listed) == (5 if wanted == status else 0)
            assert all(item["status"] == wanted for item in listed)


def test_history_in_both_directions(client):
    states = {f"S{n}": {"Type": "Pass", "Next": f"S{n + 1}"} for n in range(30)}
    states["S30"] = {"Type": "Pass", "End": True}
    machine = create_machine(client, "Long", {"StartAt": "S0", "States": states})
    arn = client.start_execution(stateMachineArn=machine)["executionArn"]
    ended(client, arn)
    whole = history(client, arn)
    assert [event["id"] for event in whole] == list(range(1, 65))
    for page_size in (1, 7, 64, 1000):
        assert paged(client, "get_execution_history", "events", page_size, executionArn=arn) == whole
        backwards = paged(client, "get_execution_history", "events", page_size, executionArn=arn, reverseOrder=True)
        assert backwards == whole[::-1]


def test_history_without_data(client):
    machine = create_machine(client, "NoData", PASSING)
    arn = client.start_execution(stateMachineArn=machine, input='{"secret":1}')["executionArn"]
    ended(client, arn)
    events = client.get_execution_history(executionArn=arn, includeExecutionData=False)["events"]
    assert "secret" not in json.dumps(events, default=str)
    assert events[0]["executionStartedEventDetails"]["inputDetails"] == {"truncated": False}


def test_a_foreign_page_token_is_refused(client, executions):
    machine = next(iter(executions))
    page = client.list_executions(stateMachineArn=machine, maxResults=1)
    assert page["nextToken"]
    with pytest.raises(client.exceptions.InvalidToken):
        client.list_executions(stateMachineArn=machine, maxResults=1, nextToken="nonsense")
    other = list(executions)[1]
    with pytest.raises(client.exceptions.InvalidToken):
        client.list_executions(stateMachineArn=other, maxResults=1, nextToken=page["nextToken"])
