"""What the README tells a reader to type does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

from server import REPOSITORY, ended

EXAMPLE = REPOSITORY / "examples/order-saga"
HANDLERS = {
    "createOrder": "orders.create_order",
    "processPayment": "orders.process_payment",
    "reserveInventory": "orders.reserve_inventory",
    "startDelivery": "orders.start_delivery",
    "releaseInventory": "orders.release_inventory",
    "refundPayment": "orders.refund_payment",
    "cancelOrder": "orders.cancel_order",
}
FUNCTIONS = {
    name: {"handler": handler, "code": str(EXAMPLE / "functions"), "environment": {"PRICE_LIST": "prices.json"}}
    for name, handler in HANDLERS.items()
}


def block(language, mark):
    blocks = re.findall(rf"```{language}\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    [found] = [text for text in blocks if mark in text]
    return found.replace("http://127.0.0.1:8083", "$URL" if language == "sh" else "{URL}")


def typed(server, command):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "URL": server.url, "AWS_PAGER": ""}
    finished = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_commands_of_the_aws_cli(server, client):
    said = typed(server, ["bash", "-ec", block("sh", "create-state-machine")])
    assert '"ExecutionStarted"' in said
    described = ended(client, "arn:aws:states:us-east-1:123456789012:execution:OrderSaga:o-1")
    assert described["status"] == "SUCCEEDED"


def test_the_script_with_boto3(server):
    script = block("python", "boto3").replace("{URL}", server.url)
    said = typed(server, [sys.executable, "-c", script]).splitlines()
    assert said[0] == "FAILED Saga execution failed"
    assert said[-1].endswith("ExecutionFailed")
    calls = [call["function"] for call in server.ledger.entries(orderId="o-2", outcome="done")]
    assert calls == ["createOrder", "processPayment", "refundPayment", "cancelOrder"]
