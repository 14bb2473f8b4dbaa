"""A small order system: the functions of the order saga.

Each function is one step of the saga or undoes one. It takes an order,

    {"orderId": "o-1", "items": [{"product": "cup", "quantity": 4}]}

and returns it with what the step added. Every call leaves one line in the ledger: order, function, request id, time,
outcome. An outcome is `done`, `repeated` (this request was done before: nothing is done again), `busy` or `failed`.

Orders say what shall go wrong:

* `fail_at`: the name of the function that refuses the order,
* `busy`: function name -> how many of its first calls find the service busy,
* `pause_ms`: function name -> how long it thinks before it does anything,
* `linger_ms`: function name -> how long it takes to answer after it did its work.
"""

import json
import os
import re
import time

from ledger import Ledger

HERE = os.path.dirname(os.path.abspath(__file__))
LEDGER = Ledger(os.path.join(HERE, os.environ["LEDGER"]))

with open(os.path.join(HERE, os.environ["PRICE_LIST"])) as file:
    PRICES = json.load(file)


class OrderRejected(Exception):
    pass


class PaymentDeclined(Exception):
    pass


class OutOfStock(Exception):
    pass


class NoCourierAvailable(Exception):
    pass


class NothingToUndo(Exception):
    """A compensating function was not told which order to undo."""


class ServiceBusy(Exception):
    """Worth trying again."""


REFUSALS = {
    "createOrder": (OrderRejected, "the customer's account is closed"),
    "processPayment": (PaymentDeclined, "the card was declined"),
    "reserveInventory": (OutOfStock, "not enough in the warehouse"),
    "startDelivery": (NoCourierAvailable, "no courier delivers there"),
}


# --- the steps ----------------------------------------------------------------------------------------------------------


def create_order(order, context):
    def work():
        return {**order, "total": total_of(order), "status": "CREATED"}

    return perform("createOrder", order, context, work)


def process_payment(order, context):
    def work():
        return {**order, "payment": {"id": f"pay-{order['orderId']}", "amount": total_of(order)}}

    return perform("processPayment", order, context, work)


def reserve_inventory(order, context):
    def work():
        units = sum(item["quantity"] for item in order["items"])
        return {**order, "reservation": {"id": f"res-{order['orderId']}", "units": units}}

    return perform("reserveInventory", order, context, work)


def start_delivery(order, context):
    def work():
        return {**order, "delivery": {"id": f"del-{order['orderId']}"}, "status": "ON_ITS_WAY"}

    return perform("startDelivery", order, context, work)


# --- what undoes them ---------------------------------------------------------------------------------------------------


def release_inventory(event, context):
    order = order_to_undo(event)
    return perform("releaseInventory", order, context, lambda: {"orderId": order["orderId"], "released": True})


def refund_payment(event, context):
    order = order_to_undo(event)
    return perform("refundPayment", order, context, lambda: {"orderId": order["orderId"], "refunded": True})


def cancel_order(event, context):
    order = order_to_undo(event)
    return perform("cancelOrder", order, context, lambda: {"orderId": order["orderId"], "status": "CANCELLED"})


# --- how a call goes ----------------------------------------------------------------------------------------------------


def perform(function, order, context, work):
    """Does the work of `function` for `order`, once per request, and writes down what came of it.

    A task may be invoked again when the engine was killed before it could record the answer; it then carries the same
    request id. A payment must not be taken twice for that, so what a request did is looked up before it is done.
    """
    think(order.get("pause_ms"), function)
    order_id = order["orderId"]
    call = {"orderId": order_id, "function": function, "requestId": context.aws_request_id}
    with LEDGER.locked():
        done_before = LEDGER.entries(**call, outcome="done")
        if done_before:
            LEDGER.append(**call, outcome="repeated")
            return done_before[0]["result"]
        if len(LEDGER.entries(orderId=order_id, function=function, outcome="busy")) < busy_calls(order, function):
            LEDGER.append(**call, outcome="busy")
            raise ServiceBusy(f"order {order_id}: {function} is busy, try again")
        if order.get("fail_at") == function:
            LEDGER.append(**call, outcome="failed")
            error, reason = REFUSALS[function]
            raise error(f"order {order_id}: {reason}")
        result = work()
        LEDGER.append(**call, outcome="done", result=result)
    think(order.get("linger_ms"), function)
    return result


def order_to_undo(event):
    """The order that a compensating function is about.

    A Catch with a ResultPath passes the order on. One without replaces it by `{"Error": …, "Cause": …}`: all that is left
    of the order then is what the failed function said, `{"errorMessage": "order o-1: …", …}`.
    """
    if "orderId" in event:
        return event
    message = said_by_failed_function(event.get("Cause", ""))
    named = re.match(r"order (\S+):", message)
    if named is None:
        raise NothingToUndo(f"no order is named by {json.dumps(event)}")
    return {"orderId": named.group(1)}


def said_by_failed_function(cause):
    try:
        return json.loads(cause)["errorMessage"]
    except (ValueError, TypeError, KeyError):
        return cause


def total_of(order):
    return round(sum(PRICES[item["product"]] * item["quantity"] for item in order["items"]), 2)


def busy_calls(order, function):
    return (order.get("busy") or {}).get(function, 0)


def think(pauses, function):
    time.sleep((pauses or {}).get(function, 0) / 1000)
