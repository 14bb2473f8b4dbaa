"""Functions that answer, fail, wait or misbehave as they are told."""

import os
import subprocess
import sys
import time

from shop import note


class CustomError(Exception):
    pass


class Flaky(Exception):
    pass


def echo(event, context):
    note("echo", event, context)
    return event


def fail(event, context):
    note("fail", event, context)
    raise CustomError(event.get("message", "as told"))


def flaky(event, context):
    """Fails the first `times` calls of this process for `key`."""
    note("flaky", event, context)
    key = event["key"]
    CALLS[key] = CALLS.get(key, 0) + 1
    if CALLS[key] <= event["times"]:
        raise Flaky(f"call {CALLS[key]}")
    return {"calls": CALLS[key]}


CALLS = {}


def slow(event, context):
    """Answers once the file `until` is there, or after 8 seconds."""
    note("slow", event, context)
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and not os.path.exists(event.get("until", "")):
        time.sleep(0.01)
    note("slow-done", event, context)
    return {"waited": True}


def with_child(event, context):
    """Leaves a process of its own behind, then waits like `slow`."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return slow(event, context)


def crash(event, context):
    note("crash", event, context)
    os._exit(3)


def environment(event, context):
    return dict(os.environ)


def ask(event, context):
    """Passes a task token on to a person: here, to the ledger."""
    note("ask", event, context)
    return {"asked": True}


def stubborn(event, context):
    """Fails until it is called for the attempt `wanted`."""
    note("stubborn", event, context)
    if event["attempt"] < event["wanted"]:
        raise Flaky(f"attempt {event['attempt']}")
    return {"attempt": event["attempt"]}
