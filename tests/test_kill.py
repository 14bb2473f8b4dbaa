"""kill -9, ten times, with 300 orders in flight: nothing is lost, nothing is recorded twice, nothing ends wrongly.

What happened is read from two sides: the functions' own ledger, and the histories.
"""

import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from server import REPOSITORY, ended, history, types, wait_until, wait_until_gone
from test_saga import HANDLERS, PATHS, STEPS, create_machine

SAGA = REPOSITORY / "examples/order-saga"
ORDERS = 300
KILLS = 10
FUNCTIONS = {name: {"handler": handler, "concurrency": 2, "environment": {"WORK_SECONDS": "0.005"}} for name, handler in HANDLERS.items()}

# Every order goes one of these ways, in turn.
WAYS = [None, "createOrder", "processPayment", "reserveInventory", "startDelivery"]
COMPLETE_UNDOES = {"startDelivery": ["releaseInventory", "refundPayment", "cancelOrder"]}


def functions_of(machine, refuse):
    """The functions that the definition names for an order that `refuse` refuses, in order."""
    if machine == "OrderSagaComplete" and refuse in COMPLETE_UNDOES:
        return STEPS + COMPLETE_UNDOES[refuse]
    return PATHS[refuse][1]


def states_of(machine, refuse):
    functions = functions_of(machine, refuse)
    states = [function[0].upper() + function[1:] for function in functions]
    failed_without_catch = machine == "OrderSaga" and refuse == "startDelivery"
    return states if refuse is None or failed_without_catch else [*states, "FailSaga"]


def order_of(number):
    refuse = WAYS[number % len(WAYS)]
    # The complete saga selects these from what functions answer.
    selected = {"total": 1, "payment": {"id": 1, "amount": 1}, "reservation": {"id": 1}, "delivery": {"id": 1}}
    return {"id": f"k-{number}", **selected, **({"refuse": refuse} if refuse else {})}


def machine_of(number):
    return "OrderSagaComplete" if number % 2 else "OrderSaga"


def test_ten_kills_with_300_orders_in_flight(new_server):
    server = new_server(FUNCTIONS)
    client = server.client()
    arns = {
        "OrderSaga": create_machine(client, "OrderSaga", (SAGA / "order-saga.asl.json").read_text()),
        "OrderSagaComplete": create_machine(client, "OrderSagaComplete", (SAGA / "order-saga-complete.asl.json").read_text()),
    }
    expected_calls = sum(len(functions_of(machine_of(n), WAYS[n % len(WAYS)])) for n in range(ORDERS))

    def start(number):
        order = order_of(number)
        members = {"stateMachineArn": arns[machine_of(number)], "name": order["id"], "input": json.dumps(order)}
        status, answer = server.action("StartExecution", members)
        assert status == 200, answer
        return answer["executionArn"]

    with ThreadPoolExecutor(16) as pool:
        executions = list(pool.map(start, range(ORDERS)))
    assert len(server.ledger.entries()) < expected_calls / 2, "the orders are not in flight any more"

    # A kill each time the functions have done a twelfth of the work: not by the clock, so that every run is killed as often.
    for kill in range(1, KILLS + 1):
        goal = expected_calls * kill // (KILLS + 2)
        wait_until(f"{goal} calls", lambda: len(server.ledger.entries()) >= goal, 60)
        server.kill()
        assert wait_until_gone(server.function_processes) == []
        server.start()
    client = server.client()
    for arn in executions:
        ended(client, arn, 60)

    calls = defaultdict(list)
    for call in server.ledger.entries():
        calls[call["order"]].append(call)
    for number, arn in enumerate(executions):
        check(client, machine_of(number), order_of(number), arn, calls[f"k-{number}"])
    for machine in arns.values():
        listed = [item["name"] for page in client.get_paginator("list_executions").paginate(stateMachineArn=machine) for item in page["executions"]]
        assert len(listed) == len(set(listed)) == ORDERS / 2
    repeated = len(server.ledger.entries()) - expected_calls
    print(f"{ORDERS} orders, {KILLS} kills, {expected_calls} calls, {repeated} of them repeated")


def check(client, machine, order, arn, calls):
    refuse = order.get("refuse")
    execution = client.describe_execution(executionArn=arn)
    events = history(client, arn)

    # Its end.
    assert execution["status"] == ("FAILED" if refuse else "SUCCEEDED"), arn
    if refuse is None:
        assert json.loads(execution["output"])["id"] == order["id"]

    # Its path: no step lost, none taken twice, no event twice.
    entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
    assert entered == states_of(machine, refuse), arn
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert [event["previousEventId"] for event in events] == [0, 0, *range(2, len(events))]
    functions = functions_of(machine, refuse)
    counted = types(events)
    for kind in ("LambdaFunctionScheduled", "LambdaFunctionStarted"):
        assert counted.count(kind) == len(functions), arn
    assert counted.count("LambdaFunctionFailed") == (1 if refuse else 0)
    assert counted.count("ExecutionStarted") == 1
    assert sum(kind in ("ExecutionSucceeded", "ExecutionFailed") for kind in counted) == 1 and counted[-1].startswith("Execution")

    # The functions' side: exactly what the definition names, in its order; called again only as the same request.
    requests = {}
    for call in calls:
        requests.setdefault(call["function"], call["request"])
        assert requests[call["function"]] == call["request"], f"{arn}: {call['function']} was called as two requests"
    assert list(requests) == functions, arn
    assert len(set(requests.values())) == len(functions)
