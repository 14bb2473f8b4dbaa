"""The order saga under boto3, with functions of our own that fail at each step: path, compensation, whole history."""

import json
import sys

import pytest

from server import REPOSITORY, ROLE, create_machine, ended, history

SAGA = REPOSITORY / "examples/order-saga"
HANDLERS = {
    "createOrder": "shop.create",
    "processPayment": "shop.pay",
    "reserveInventory": "shop.reserve",
    "startDelivery": "shop.deliver",
    "releaseInventory": "shop.release",
    "refundPayment": "shop.refund",
    "cancelOrder": "shop.cancel",
}
FUNCTIONS = {name: {"handler": handler} for name, handler in HANDLERS.items()}
STEPS = ["createOrder", "processPayment", "reserveInventory", "startDelivery"]

# Which step refuses → the states that are passed, and the functions called.
PATHS = {
    None: (["CreateOrder", "ProcessPayment", "ReserveInventory", "StartDelivery"], STEPS),
    "createOrder": (["CreateOrder", "FailSaga"], ["createOrder"]),
    "processPayment": (
        ["CreateOrder", "ProcessPayment", "CancelOrder", "FailSaga"],
        ["createOrder", "processPayment", "cancelOrder"],
    ),
    "reserveInventory": (
        ["CreateOrder", "ProcessPayment", "ReserveInventory", "RefundPayment", "CancelOrder", "FailSaga"],
        ["createOrder", "processPayment", "reserveInventory", "refundPayment", "cancelOrder"],
    ),
    "startDelivery": (["CreateOrder", "ProcessPayment", "ReserveInventory", "StartDelivery"], STEPS),
}


def arn_of(function):
    return f"arn:aws:lambda:region:acct:function:{function}"


class History:
    """AWS's history of a chain of Lambda tasks, written down event by event."""

    def __init__(self, document):
        self.events = []
        started = {"input": document, "inputDetails": {"truncated": False}, "roleArn": ROLE}
        self.add("ExecutionStarted", 0, executionStartedEventDetails=started)

    def add(self, kind, previous=None, **details):
        number = len(self.events) + 1
        previous = number - 1 if previous is None else previous
        self.events.append({"id": number, "previousEventId": previous, "type": kind, **details})

    def enter(self, kind, name, document):
        # The first state's predecessor is 0, not the ExecutionStarted event.
        previous = 0 if len(self.events) == 1 else None
        details = {"name": name, "input": document, "inputDetails": {"truncated": False}}
        self.add(f"{kind}StateEntered", previous, stateEnteredEventDetails=details)

    def exit(self, kind, name, output):
        details = {"name": name, "output": output, "outputDetails": {"truncated": False}}
        self.add(f"{kind}StateExited", stateExitedEventDetails=details)

    def task(self, name, function, document, output):
        self.begin_task(name, function, document)
        details = {"output": output, "outputDetails": {"truncated": False}}
        self.add("LambdaFunctionSucceeded", lambdaFunctionSucceededEventDetails=details)
        self.exit("Task", name, output)

    def begin_task(self, name, function, document):
        self.enter("Task", name, document)
        details = {"resource": arn_of(function), "input": document, "inputDetails": {"truncated": False}}
        self.add("LambdaFunctionScheduled", lambdaFunctionScheduledEventDetails=details)
        self.add("LambdaFunctionStarted")

    def failed_task(self, name, function, document, error, cause):
        self.begin_task(name, function, document)
        self.add("LambdaFunctionFailed", lambdaFunctionFailedEventDetails={"error": error, "cause": cause})


def without_times(events):
    times = [event["timestamp"] for event in events]
    assert times == sorted(times)
    return [{key: value for key, value in event.items() if key != "timestamp"} for event in events]


def printed(document):
    """As Python's runtime client prints a result."""
    return json.dumps(document)


def expected_history(order, causes):
    """The history of the original saga for `order`; `causes` are what the failed functions left, by function."""
    document, text = order, json.dumps(order)
    expected = History(text)
    states, _ = PATHS[order.get("refuse")]
    for state in states:
        function = state[0].lower() + state[1:]
        if state == "FailSaga":
            expected.enter("Fail", state, text)
            expected.add("ExecutionFailed", executionFailedEventDetails={"cause": "Saga execution failed"})
        elif function == order.get("refuse"):
            cause = causes[function]
            expected.failed_task(state, function, text, "Refused", cause)
            if state == "StartDelivery":
                expected.add("ExecutionFailed", executionFailedEventDetails={"error": "Refused", "cause": cause})
                continue
            document = {"Error": "Refused", "Cause": cause}
            text = json.dumps(document, separators=(",", ":"))
            expected.exit("Task", state, text)
        else:
            number = {} if "id" in document else {"id": order["id"]}
            document = {**document, **number, "done": [*document.get("done", []), function]}
            expected.task(state, function, text, printed(document))
            text = printed(document)
    if states[-1] == "StartDelivery" and order.get("refuse") is None:
        expected.add("ExecutionSucceeded", executionSucceededEventDetails={"output": text, "outputDetails": {"truncated": False}})
    return expected.events


def start(client, machine, order):
    arn = client.start_execution(stateMachineArn=machine, name=f"order-{order['id']}", input=json.dumps(order))
    return ended(client, arn["executionArn"])


@pytest.fixture(scope="module")
def original(client):
    return create_machine(client, "OrderSaga", (SAGA / "order-saga.asl.json").read_text())


@pytest.fixture(scope="module")
def complete(client):
    return create_machine(client, "OrderSagaComplete", (SAGA / "order-saga-complete.asl.json").read_text())


@pytest.mark.parametrize("refuse", PATHS, ids=str)
def test_original_saga(server, client, original, refuse):
    order = {"id": f"o-{refuse}", "customer": "Ann", **({"refuse": refuse} if refuse else {})}
    execution = start(client, original, order)
    events = history(client, execution["executionArn"])

    failed = [event for event in events if event["type"] == "LambdaFunctionFailed"]
    causes = {refuse: event["lambdaFunctionFailedEventDetails"]["cause"] for event in failed}
    assert without_times(events) == expected_history(order, causes)
    for cause in causes.values():
        said = json.loads(cause)
        assert said["errorType"] == "Refused"
        assert said["errorMessage"] == f"[{order['id']}] refused by {refuse}"
        assert isinstance(said["stackTrace"], list) and said["requestId"]

    assert [call["function"] for call in server.ledger.entries(order=order["id"])] == PATHS[refuse][1]
    if refuse is None:
        assert execution["status"] == "SUCCEEDED"
        assert json.loads(execution["output"])["done"] == STEPS
    elif refuse == "startDelivery":
        assert (execution["status"], execution["error"], execution["cause"]) == ("FAILED", "Refused", causes[refuse])
    else:
        assert execution["status"] == "FAILED"
        assert execution["cause"] == "Saga execution failed" and "error" not in execution


@pytest.mark.parametrize("refuse", PATHS, ids=str)
def test_complete_saga_undoes_every_step(server, client, complete, refuse):
    order = {"id": f"c-{refuse}", "total": 1, "payment": {"id": 1, "amount": 1}, "reservation": {"id": 1}, "delivery": {"id": 1}}
    execution = start(client, complete, {**order, **({"refuse": refuse} if refuse else {})})
    calls = [call["function"] for call in server.ledger.entries(order=order["id"])]
    undone = {
        None: [],
        "createOrder": [],
        "processPayment": ["cancelOrder"],
        "reserveInventory": ["refundPayment", "cancelOrder"],
        "startDelivery": ["releaseInventory", "refundPayment", "cancelOrder"],
    }[refuse]
    taken = STEPS if refuse is None else STEPS[: STEPS.index(refuse) + 1]
    assert calls == taken + undone
    if refuse is None:
        assert execution["status"] == "SUCCEEDED"
        assert json.loads(execution["output"])["id"] == order["id"]
    else:
        assert (execution["status"], execution["error"]) == ("FAILED", "SagaFailed")
        entered = [e for e in history(client, execution["executionArn"]) if e["type"] == "FailStateEntered"]
        document = json.loads(entered[0]["stateEnteredEventDetails"]["input"])
        assert document["id"] == order["id"] and document["failure"]["Error"] == "Refused"


def test_original_is_byte_for_byte_what_describe_returns(client, original):
    described = client.describe_state_machine(stateMachineArn=original)
    assert described["definition"].encode() == (SAGA / "order-saga.asl.json").read_bytes()


def test_saga_under_the_official_runtime_client(new_server):
    """`awslambdaric` is installed for the tests' own interpreter."""
    interpreter = {"interpreter": sys.executable}
    server = new_server({name: {**table, **interpreter} for name, table in FUNCTIONS.items()})
    client = server.client()
    machine = create_machine(client, "OrderSaga", (SAGA / "order-saga.asl.json").read_text())
    for refuse in PATHS:
        order = {"id": f"ric-{refuse}", **({"refuse": refuse} if refuse else {})}
        execution = start(client, machine, order)
        events = history(client, execution["executionArn"])
        failed = [event for event in events if event["type"] == "LambdaFunctionFailed"]
        causes = {refuse: event["lambdaFunctionFailedEventDetails"]["cause"] for event in failed}
        assert without_times(events) == expected_history(order, causes)
        assert [call["function"] for call in server.ledger.entries(order=order["id"])] == PATHS[refuse][1]
