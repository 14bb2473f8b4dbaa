"""A `skald server` under test: on a folder of its own, on a free port, killed and started again at will."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import boto3
import botocore.config

REPOSITORY = Path(__file__).resolve().parent.parent
BINARY = os.environ.get("SKALD_BIN") or str(REPOSITORY / "target/debug/skald")
FUNCTIONS = Path(__file__).resolve().parent / "functions"
ROLE = "arn:aws:iam::123456789012:role/test"
PATIENCE_SECONDS = 30


class Server:
    """`functions`: name → table of `[lambda.name]`, without `code`, `runtime` and the ledger, which all of them have."""

    def __init__(self, folder, functions=None, memory=False):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.ledger = Ledger(self.folder / "ledger.jsonl")
        self.log = self.folder / "server.log"
        self.config = self.folder / "skald.toml"
        self.config.write_text("\n".join(self.declared(name, table) for name, table in (functions or {}).items()))
        self.memory = memory
        self.process = None
        self.url = None

    def declared(self, name, table):
        environment = {"LEDGER": str(self.ledger.path), **table.get("environment", {})}
        fields = {"runtime": "python3", "code": str(FUNCTIONS), "timeout_seconds": 10, "concurrency": 4, **table}
        fields.pop("environment", None)
        lines = [f"[lambda.{name}]", *(f"{field} = {json.dumps(value)}" for field, value in fields.items())]
        variables = ", ".join(f"{variable} = {json.dumps(value)}" for variable, value in environment.items())
        return "\n".join([*lines, f"environment = {{ {variables} }}", ""])

    # --- the process ---

    def start(self):
        command = [BINARY, "server", "--listen", "127.0.0.1:0", "--config", str(self.config), "--log-format", "json"]
        command += ["--memory"] if self.memory else ["--data", str(self.data)]
        environment = {**os.environ, "SECRET_OF_THE_SERVER": "not for functions", "AWS_SECRET_ACCESS_KEY": "server-secret"}
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_LAMBDA", "AWS_REGION"):
            environment.pop(name, None)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        line = first_line(self.process.stdout)
        assert "http://" in line, f"the server did not become ready: {line!r}\n{self.last_words()}"
        self.url = line[line.index("http://") :].strip()
        return self

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self):
        """SIGTERM; does not wait."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        self.terminate()
        return self.process.wait(timeout=PATIENCE_SECONDS)

    def restart_after_kill(self):
        self.kill()
        return self.start()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self.function_processes():
            os.kill(process, signal.SIGKILL)

    def last_words(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-60:]) if self.log.exists() else ""

    def function_processes(self):
        """Processes that have this server's ledger in their environment."""
        mark = f"LEDGER={self.ledger.path}\0".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass  # Gone meanwhile, or not ours.
        return found

    # --- clients ---

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def client(self, port=None, **config):
        """A boto3 client, through `port` if given. The server's port changes with each start."""
        settings = {"read_timeout": 20, "connect_timeout": 5, "max_pool_connections": 64, "retries": {"total_max_attempts": 1}}
        return boto3.client(
            "stepfunctions",
            endpoint_url=f"http://127.0.0.1:{port or self.port}",
            region_name="us-east-1",
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="test",
            # `StartSyncExecution` and `TestState` would go to `sync-127.0.0.1`.
            config=botocore.config.Config(**{"inject_host_prefix": False, **settings, **config}),
        )

    def request(self, method="POST", path="/", body=b"", headers=None, timeout=PATIENCE_SECONDS):
        """One plain HTTP request: (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def action(self, name, members, headers=None):
        """One action without an SDK: (status, answer)."""
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        target = {"X-Amz-Target": f"AWSStepFunctions.{name}", "Content-Type": "application/x-amz-json-1.0"}
        status, _, answer = self.request(body=body, headers={**target, **(headers or {})})
        return status, json.loads(answer)


class Ledger:
    """What functions wrote down about themselves, one line a call."""

    def __init__(self, path):
        self.path = path

    def entries(self, **wanted):
        if not self.path.exists():
            return []
        # The last line may be half written.
        entries = [json.loads(line) for line in self.path.read_text().split("\n")[:-1]]
        return [entry for entry in entries if all(entry.get(name) == value for name, value in wanted.items())]


def create_machine(client, name, definition):
    text = definition if isinstance(definition, str) else json.dumps(definition)
    return client.create_state_machine(name=name, definition=text, roleArn=ROLE)["stateMachineArn"]


def run(client, machine, document=None, name=None, patience_seconds=PATIENCE_SECONDS):
    """Starts an execution and waits for its end: what DescribeExecution then says."""
    named = {"name": name} if name else {}
    arn = client.start_execution(stateMachineArn=machine, input=json.dumps({} if document is None else document), **named)
    return ended(client, arn["executionArn"], patience_seconds)


def ended(client, arn, patience_seconds=PATIENCE_SECONDS):
    def look():
        described = client.describe_execution(executionArn=arn)
        return described if described["status"] != "RUNNING" else None

    return wait_until(f"{arn} ends", look, patience_seconds)


def history(client, arn):
    pages = client.get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event for page in pages for event in page["events"]]


def types(events):
    return [event["type"] for event in events]


def wait_for_event(client, arn, kind, count=1):
    """The history, once it has `count` events of type `kind`."""

    def look():
        events = history(client, arn)
        return events if types(events).count(kind) >= count else None

    return wait_until(f"{kind} is in the history of {arn}", look)


def wait_until(what, look, patience_seconds=PATIENCE_SECONDS):
    """What `look` returns, once that is something."""
    deadline = time.monotonic() + patience_seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {patience_seconds} s until {what}"
        time.sleep(0.01)


def wait_until_gone(look, patience_seconds=3):
    """What `look` still returns when nothing should be left: killed processes take a moment to go."""
    deadline = time.monotonic() + patience_seconds
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def first_line(stream):
    """The first line of a pipe, or nothing when none comes in time. Goes on emptying the pipe."""
    lines, arrived = [], threading.Event()

    def read():
        for line in stream:
            lines.append(line)
            arrived.set()
        arrived.set()

    threading.Thread(target=read, daemon=True).start()
    arrived.wait(PATIENCE_SECONDS)
    return lines[0] if lines else ""
