"""Functions of the tests' own shop: other ones than the example's, for the same sagas.

Every call appends a line to the ledger when it begins. An order `{"id": …, "refuse": NAME}` is refused by the function
NAME; its number travels in the error's message, `[id] …`, because a Catch without ResultPath passes on nothing else.
"""

import json
import os
import time


class Refused(Exception):
    pass


def note(function, order, context, **more):
    line = json.dumps({"order": order, "function": function, "request": context.aws_request_id, "pid": os.getpid(), **more})
    file = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


def step(function):
    def handler(event, context):
        order = number_of(event)
        note(function, order, context)
        time.sleep(float(os.environ.get("WORK_SECONDS", "0")))
        if event.get("refuse") == function:
            raise Refused(f"[{order}] refused by {function}")
        return {**event, "done": [*event.get("done", []), function]}

    return handler


def number_of(event):
    """The order's number: its own, or out of what a Catch left of it."""
    if "id" in event:
        return event["id"]
    message = json.loads(event["Cause"])["errorMessage"]
    event["id"] = message[1 : message.index("]")]
    return event["id"]


create = step("createOrder")
pay = step("processPayment")
reserve = step("reserveInventory")
deliver = step("startDelivery")
release = step("releaseInventory")
refund = step("refundPayment")
cancel = step("cancelOrder")
