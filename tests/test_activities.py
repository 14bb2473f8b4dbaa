"""Activities: workers poll for tasks and answer with a token."""

import json
import threading

import pytest

from server import create_machine, ended, history, types, wait_for_event

FUNCTIONS = {}


def machine_for(client, name, **fields):
    activity = client.create_activity(name=name)["activityArn"]
    task = {"Type": "Task", "Resource": activity, "End": True, **fields}
    return activity, create_machine(client, name, {"StartAt": "Work", "States": {"Work": task}})


def start(client, machine, document):
    return client.start_execution(stateMachineArn=machine, input=json.dumps(document))["executionArn"]


def poll(client, activity, worker="worker-1"):
    task = client.get_activity_task(activityArn=activity, workerName=worker)
    assert task.get("taskToken"), "the poll came back without a task"
    return task


def test_a_worker_polls_works_and_succeeds(client):
    activity, machine = machine_for(client, "Succeeds")
    arn = start(client, machine, {"a": 1})
    task = poll(client, activity)
    assert json.loads(task["input"]) == {"a": 1}
    client.send_task_success(taskToken=task["taskToken"], output='{"b":2}')
    assert ended(client, arn)["output"] == '{"b":2}'
    events = history(client, arn)
    assert types(events) == [
        "ExecutionStarted",
        "TaskStateEntered",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivitySucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["previousEventId"] for event in events] == [0, 0, 2, 3, 4, 5, 6]
    assert events[2]["activityScheduledEventDetails"]["resource"] == activity
    assert events[3]["activityStartedEventDetails"] == {"workerName": "worker-1"}


def test_a_poll_that_waits_is_woken_by_the_task(client):
    activity, machine = machine_for(client, "Woken")
    tasks = []
    waiting = threading.Thread(target=lambda: tasks.append(poll(client, activity)))
    waiting.start()
    arn = start(client, machine, {"a": 2})
    waiting.join(20)
    assert tasks, "the poll was not woken"
    client.send_task_success(taskToken=tasks[0]["taskToken"], output="{}")
    assert ended(client, arn)["status"] == "SUCCEEDED"


def test_a_failure_is_caught_by_its_name(client):
    catch = [{"ErrorEquals": ["NoStock"], "ResultPath": "$.failure", "Next": "Caught"}]
    activity = client.create_activity(name="Fails")["activityArn"]
    states = {
        "Work": {"Type": "Task", "Resource": activity, "Catch": catch, "End": True},
        "Caught": {"Type": "Pass", "End": True},
    }
    machine = create_machine(client, "Fails", {"StartAt": "Work", "States": states})
    arn = start(client, machine, {"a": 3})
    client.send_task_failure(taskToken=poll(client, activity)["taskToken"], error="NoStock", cause="none left")
    output = json.loads(ended(client, arn)["output"])
    assert output == {"a": 3, "failure": {"Error": "NoStock", "Cause": "none left"}}


def test_a_silent_worker_misses_its_heartbeat(client):
    activity, machine = machine_for(client, "Silent", HeartbeatSeconds=1, TimeoutSeconds=60)
    arn = start(client, machine, {})
    task = poll(client, activity)
    client.send_task_heartbeat(taskToken=task["taskToken"])
    execution = ended(client, arn)
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Timeout")
    with pytest.raises(client.exceptions.TaskTimedOut):
        client.send_task_heartbeat(taskToken=task["taskToken"])


def test_heartbeats_keep_a_task_alive_beyond_its_heartbeat_seconds(client):
    activity, machine = machine_for(client, "Lively", HeartbeatSeconds=2, TimeoutSeconds=60)
    arn = start(client, machine, {})
    token = poll(client, activity)["taskToken"]
    stop = threading.Event()
    # Work of three seconds, with a sign of life each half second: that is what is under test, not a synchronisation.
    for _ in range(6):
        client.send_task_heartbeat(taskToken=token)
        stop.wait(0.5)
    client.send_task_success(taskToken=token, output="{}")
    assert ended(client, arn)["status"] == "SUCCEEDED"


def test_tasks_go_out_oldest_first_and_each_once(client):
    activity, machine = machine_for(client, "Queue")
    arns = [start(client, machine, number) for number in range(20)]
    for arn in arns:
        wait_for_event(client, arn, "ActivityScheduled")
    tasks = [poll(client, activity) for _ in arns]
    assert sorted(json.loads(task["input"]) for task in tasks) == list(range(20))
    assert len({task["taskToken"] for task in tasks}) == 20
    for task in tasks:
        client.send_task_success(taskToken=task["taskToken"], output=task["input"])
    assert [ended(client, arn)["output"] for arn in arns] == [str(number) for number in range(20)]


def test_a_task_waits_for_its_worker_across_a_kill(new_server):
    server = new_server()
    client = server.client()
    activity, machine = machine_for(client, "Patient")
    undelivered, delivered = start(client, machine, "later"), None
    wait_for_event(client, undelivered, "ActivityScheduled")
    server.restart_after_kill()
    client = server.client()
    task = poll(client, activity)
    delivered = task["taskToken"]
    wait_for_event(client, undelivered, "ActivityStarted")
    server.restart_after_kill()
    client = server.client()
    client.send_task_success(taskToken=delivered, output="{}")
    assert ended(client, undelivered)["status"] == "SUCCEEDED"
    assert types(history(client, undelivered)).count("ActivityStarted") == 1


def test_a_poll_on_an_unknown_activity_is_refused(client):
    arn = "arn:aws:states:us-east-1:123456789012:activity:nobody"
    with pytest.raises(client.exceptions.ActivityDoesNotExist):
        client.get_activity_task(activityArn=arn)
