#!/usr/bin/env python3
"""Runs the order saga on a Skald server, kills the server on the way, and checks all it says.

Needs nothing but Python's standard library and a `skald` binary: SKALD_BIN, or target/release/skald. `make demo` builds
the binary first. Exits with 1 when anything went otherwise than it should.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
BINARY = os.environ.get("SKALD_BIN") or str(HERE.parent.parent / "target/release/skald")
ROLE = "arn:aws:iam::123456789012:role/order-saga"
PATIENCE_SECONDS = 30


# --- what has to come out -----------------------------------------------------------------------------------------------

FORWARD = ["CreateOrder", "ProcessPayment", "ReserveInventory", "StartDelivery"]

# What one order shall do: the states it passes, the functions that do something (in order), the error it ends with.
# A failed delivery is where the machines differ: the first has no Catch there.
ORIGINAL = {
    "title": "OrderSaga, as its users wrote it",
    "name": "OrderSaga",
    "file": "order-saga.asl.json",
    "failures": {
        "createOrder": (["CreateOrder", "FailSaga"], [], None),
        "processPayment": (["CreateOrder", "ProcessPayment", "CancelOrder", "FailSaga"], ["cancelOrder"], None),
        "reserveInventory": (
            ["CreateOrder", "ProcessPayment", "ReserveInventory", "RefundPayment", "CancelOrder", "FailSaga"],
            ["refundPayment", "cancelOrder"],
            None,
        ),
        "startDelivery": (FORWARD, [], "NoCourierAvailable"),
    },
}

COMPLETE = {
    "title": "OrderSagaComplete: keeps the order, tries again, undoes a failed delivery too",
    "name": "OrderSagaComplete",
    "file": "order-saga-complete.asl.json",
    "failures": {
        "createOrder": (["CreateOrder", "FailSaga"], [], "SagaFailed"),
        "processPayment": (["CreateOrder", "ProcessPayment", "CancelOrder", "FailSaga"], ["cancelOrder"], "SagaFailed"),
        "reserveInventory": (
            ["CreateOrder", "ProcessPayment", "ReserveInventory", "RefundPayment", "CancelOrder", "FailSaga"],
            ["refundPayment", "cancelOrder"],
            "SagaFailed",
        ),
        "startDelivery": (
            [*FORWARD, "ReleaseInventory", "RefundPayment", "CancelOrder", "FailSaga"],
            ["releaseInventory", "refundPayment", "cancelOrder"],
            "SagaFailed",
        ),
    },
}

STEPS = ["createOrder", "processPayment", "reserveInventory", "startDelivery"]


def main():
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"no skald at {BINARY}: run `make demo`, or set SKALD_BIN")
    # Ended from outside, the demo still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    began = time.monotonic()
    demo = Demo()
    with tempfile.TemporaryDirectory(prefix="skald-demo-") as folder:
        server = Server(Path(folder))
        try:
            server.start()
            say(f"skald runs at {server.url}, with its data in {folder}")
            for machine in (ORIGINAL, COMPLETE):
                demo.show_machine(server, machine)
            demo.stop(server)
        except Exception:
            print(f"\n--- the server's last words\n{server.last_words()}", file=sys.stderr)
            raise
        finally:
            server.clean_up()
    seconds = time.monotonic() - began
    if demo.differences:
        say(f"\n{len(demo.differences)} of {demo.checks} checks FAILED:")
        for difference in demo.differences:
            say(f"  ✗ {difference}")
        sys.exit(1)
    say(f"\nAll {demo.checks} checks passed in {seconds:.0f} s.")


def say(line=""):
    print(line, flush=True)


class Demo:
    """Tells the story, and keeps count of what differs from it."""

    def __init__(self):
        self.checks = 0
        self.differences = []

    def check(self, what, actual, expected):
        self.checks += 1
        if actual != expected:
            self.differences.append(f"{what}: {actual!r}, expected {expected!r}")
            say(f"    ✗ {what}: {actual!r}, expected {expected!r}")

    def show_machine(self, server, machine):
        definition = (HERE / machine["file"]).read_text()
        created = server.call(
            "CreateStateMachine", name=machine["name"], definition=definition, roleArn=ROLE
        )
        self.machine_arn = created["stateMachineArn"]
        self.prefix = machine["name"]
        say(f"\n{machine['title']}\n{'=' * len(machine['title'])}")
        self.show_success(server)
        for step in STEPS:
            self.show_failure(server, step, *machine["failures"][step])
        if machine is COMPLETE:
            self.show_retry(server)
        self.show_kill_between_steps(server)
        if machine is COMPLETE:
            self.show_kill_after_payment(server)

    # --- the scenes ---

    def show_success(self, server):
        order = self.order("fine")
        say(f"\n  {order['orderId']}: everything goes well")
        self.start(server, order)
        self.finish(server, order)
        self.expect_end(server, order, "SUCCEEDED", None, FORWARD, STEPS)

    def show_failure(self, server, step, states, undone, error):
        order = self.order(f"{step}-fails", fail_at=step)
        say(f"\n  {order['orderId']}: {step} refuses the order")
        self.start(server, order)
        self.finish(server, order)
        taken = STEPS[: STEPS.index(step)]
        self.expect_end(server, order, "FAILED", error, states, taken + undone)
        calls = server.calls(order)
        self.check(f"{order['orderId']}: calls that failed", [c["function"] for c in calls if c["outcome"] == "failed"], [step])
        if undone:
            say(f"    undone by: {', '.join(undone)}")
        elif taken:
            say(f"    nothing is undone: StartDelivery has no Catch, so {', '.join(taken)} stand")
        else:
            say("    nothing was done, nothing is to undo")

    def show_retry(self, server):
        order = self.order("courier-busy", busy={"startDelivery": 2})
        say(f"\n  {order['orderId']}: the courier is busy twice and is asked again")
        self.start(server, order)
        self.finish(server, order)
        self.expect_end(server, order, "SUCCEEDED", None, FORWARD, STEPS)
        outcomes = [call["outcome"] for call in server.calls(order) if call["function"] == "startDelivery"]
        self.check(f"{order['orderId']}: what the courier said", outcomes, ["busy", "busy", "done"])

    def show_kill_between_steps(self, server):
        order = self.order("killed", pause_ms={"reserveInventory": 1500})
        say(f"\n  {order['orderId']}: the server is killed between two steps")
        self.start(server, order)
        before = self.wait_for_history(
            server, order, "the payment is through and the reservation is running", lambda events: has_exited(events, "ProcessPayment")
        )
        server.kill()
        say("    kill -9, after: " + " → ".join(path_of(before)[:-1]) + f"; while in: {path_of(before)[-1]}")
        self.check("function processes left by the killed server", wait_until_none(server.function_processes), [])
        self.check(f"{order['orderId']}: functions called before the kill", done(server.calls(order)), STEPS[:2])
        server.start()
        say(f"    started again: {server.url}")
        self.finish(server, order)
        self.expect_end(server, order, "SUCCEEDED", None, FORWARD, STEPS)
        after = server.history(self.arn(order))
        self.check(f"{order['orderId']}: events from before the kill", after[: len(before)], before)
        outcomes = [(call["function"], call["outcome"]) for call in server.calls(order)]
        self.check(f"{order['orderId']}: every call", outcomes, [(step, "done") for step in STEPS])

    def show_kill_after_payment(self, server):
        order = self.order("killed-while-paying", linger_ms={"processPayment": 1500})
        say(f"\n  {order['orderId']}: the server is killed when the money is taken, before it hears of it")
        self.start(server, order)
        wait_until("the payment is in the ledger", lambda: "processPayment" in done(server.calls(order)))
        server.kill()
        say("    kill -9, after: CreateOrder; while in: ProcessPayment, which has taken the money")
        self.check("function processes left by the killed server", wait_until_none(server.function_processes), [])
        server.start()
        say(f"    started again: {server.url}")
        self.finish(server, order)
        self.expect_end(server, order, "SUCCEEDED", None, FORWARD, STEPS)
        payments = [call for call in server.calls(order) if call["function"] == "processPayment"]
        self.check(f"{order['orderId']}: the payment's calls", [c["outcome"] for c in payments], ["done", "repeated"])
        self.check(f"{order['orderId']}: request ids of the payment", len({c["requestId"] for c in payments}), 1)
        say("    the payment was asked for again under the same request id, and not taken twice")

    def stop(self, server):
        say("\nSIGTERM")
        self.check("exit code of the server", server.stop(), 0)
        self.check("function processes left", wait_until_none(server.function_processes), [])
        say("    the server is gone, and no function process is left")

    # --- what a scene is made of ---

    def order(self, name, **fields):
        items = [{"product": "grinder", "quantity": 1}, {"product": "beans-1kg", "quantity": 2}]
        return {"orderId": f"{self.prefix}-{name}", "items": items, **fields}

    def arn(self, order):
        return self.machine_arn.replace(":stateMachine:", ":execution:") + ":" + order["orderId"]

    def start(self, server, order):
        started = server.call(
            "StartExecution", stateMachineArn=self.machine_arn, name=order["orderId"], input=json.dumps(order)
        )
        self.check(f"{order['orderId']}: its ARN", started["executionArn"], self.arn(order))

    def finish(self, server, order):
        wait_until(f"{order['orderId']} ends", lambda: server.describe(self.arn(order))["status"] != "RUNNING")

    def wait_for_history(self, server, order, what, is_there):
        def look():
            events = server.history(self.arn(order))
            return events if is_there(events) else None

        return wait_until(what, look)

    def expect_end(self, server, order, status, error, states, functions):
        """Compares what the history says and what the functions say with what should have happened."""
        name = order["orderId"]
        described = server.describe(self.arn(order))
        events = server.history(self.arn(order))
        say(f"    {' → '.join(path_of(events))}")
        say(f"    {described['status']}{cause_of(described)}; {len(events)} events; ledger: {', '.join(done(server.calls(order))) or 'nothing'}")
        self.check(f"{name}: status", described["status"], status)
        self.check(f"{name}: error", described.get("error"), error)
        self.check(f"{name}: states", path_of(events), states)
        self.check(f"{name}: functions that did something", done(server.calls(order)), functions)
        self.check(f"{name}: event ids", [event["id"] for event in events], list(range(1, len(events) + 1)))
        if status == "SUCCEEDED":
            self.check(f"{name}: order in the output", json.loads(described["output"])["orderId"], name)
            self.check(f"{name}: delivery in the output", json.loads(described["output"])["delivery"]["id"], f"del-{name}")
        if states[-1] == "FailSaga":
            self.check(f"{name}: cause", described.get("cause"), "Saga execution failed")


def path_of(events):
    """The names of the states an execution entered, in order."""
    return [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]


def has_exited(events, state):
    return any(event.get("stateExitedEventDetails", {}).get("name") == state for event in events) and path_of(events)[-1] != state


def done(calls):
    return [call["function"] for call in calls if call["outcome"] == "done"]


def cause_of(described):
    said = described.get("error") or described.get("cause")
    return f" ({said})" if said else ""


# --- the server ---------------------------------------------------------------------------------------------------------


class Server:
    """A `skald server` on a data folder that outlives it."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.ledger = folder / "ledger.jsonl"
        self.log = folder / "server.log"
        self.config = folder / "skald.toml"
        declared = (HERE / "skald.toml").read_text()
        self.config.write_text(
            declared.replace('"/tmp/order-saga-ledger.jsonl"', json.dumps(str(self.ledger))).replace(
                'code = "functions"', f"code = {json.dumps(str(HERE / 'functions'))}"
            )
        )
        self.process = None
        self.url = None

    def start(self):
        command = [BINARY, "server", "--listen", "127.0.0.1:0", "--data", str(self.data), "--config", str(self.config)]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        line = read_line(self.process.stdout, PATIENCE_SECONDS)
        if "http://" not in line:
            raise RuntimeError(f"the server did not become ready: {line!r}")
        self.url = line[line.index("http://") :].strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def clean_up(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self.function_processes():
            os.kill(process, signal.SIGKILL)

    def last_words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:]) if self.log.exists() else ""

    def call(self, action, **members):
        request = urllib.request.Request(
            self.url,
            data=json.dumps(members).encode(),
            headers={"X-Amz-Target": f"AWSStepFunctions.{action}", "Content-Type": "application/x-amz-json-1.0"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{action}: {error.code} {error.read().decode(errors='replace')}") from None

    def describe(self, arn):
        return self.call("DescribeExecution", executionArn=arn)

    def history(self, arn):
        events, members = [], {"executionArn": arn}
        while True:
            page = self.call("GetExecutionHistory", **members)
            events += page["events"]
            if not page.get("nextToken"):
                return events
            members["nextToken"] = page["nextToken"]

    def calls(self, order):
        """The ledger's lines about an order: what the functions themselves say."""
        if not self.ledger.exists():
            return []
        # A line that is being written is looked at the next time.
        lines = self.ledger.read_text().split("\n")[:-1]
        return [call for call in map(json.loads, lines) if call["orderId"] == order["orderId"]]

    def function_processes(self):
        """Process ids that have this demo's ledger in their environment. Known on Linux only; elsewhere none."""
        mark = f"LEDGER={self.ledger}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass  # Gone meanwhile, or not ours.
        return found


def read_line(stream, seconds):
    """The next line of a pipe, or nothing when none comes in time. Goes on emptying the pipe afterwards."""
    lines, arrived = [], threading.Event()

    def read():
        for line in stream:
            lines.append(line)
            arrived.set()
        arrived.set()

    threading.Thread(target=read, daemon=True).start()
    arrived.wait(seconds)
    return lines[0] if lines else ""


def wait_until(what, look):
    """What `look` returns, once that is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE_SECONDS} s until {what}")
        time.sleep(0.02)


def wait_until_none(look):
    """What `look` still returns when it should have become empty: processes that are killed take a moment to go."""
    deadline = time.monotonic() + 2
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


if __name__ == "__main__":
    main()
