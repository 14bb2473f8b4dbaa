"""Functions for the tests of local processes."""

import os
import signal
import socket
import sys

calls = 0


def echo(event, context):
    return event


def count(event, context):
    """How often this process was called, and which one it is."""
    global calls
    calls += 1
    return {"calls": calls, "pid": os.getpid()}


def identity(event, context):
    return {
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "name": context.function_name,
        "memory": context.memory_limit_in_mb,
        "left": 0 < context.get_remaining_time_in_millis() <= 60_000,
        "custom": context.client_context.custom if context.client_context else None,
        "folder": os.getcwd(),
        "trace": os.environ["_X_AMZN_TRACE_ID"].startswith("Root=1-"),
    }


def environment(event, context):
    return dict(os.environ)


def decline(event, context):
    class PaymentDeclined(Exception):
        pass

    raise PaymentDeclined("card " + str(event["card"]))


def at_the_door(event, context):
    """Says who it is to the test's listener, then waits to be let in; hangs as long as the test does."""
    with socket.create_connection(("127.0.0.1", event["port"])) as door:
        door.sendall(b"%d\n" % os.getpid())
        door.recv(1)
    return os.getpid()


def leave(event, context):
    os._exit(event["status"])


def die(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def leave_in_order(event, context):
    sys.exit(event["status"])


def long_answer(event, context):
    return "x" * event["length"]


def no_json(event, context):
    return b"<html>"


def not_a_number(event, context):
    return float("nan")
