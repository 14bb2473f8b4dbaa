"""A disk that answers with an error: nothing more is acknowledged, and the process says why and ends."""

import concurrent.futures
import json
import subprocess
import sys
from pathlib import Path

import botocore.exceptions
import pytest

from server import PATIENCE_SECONDS, create_machine, wait_until

BREAKER = Path(__file__).parent / "fail_disk.c"
WAIT = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD is Linux's")
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
@pytest.mark.parametrize("work", ["executions", "catalog"])
def test_an_error_of_the_disk_ends_the_process_and_loses_nothing_that_was_answered(new_server, tmp_path, monkeypatch, call, work):
    library, broken = tmp_path / "fail_disk.so", tmp_path / "broken"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, BREAKER, "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("BROKEN", str(broken))
    server = new_server()
    client = server.client()
    machine = create_machine(client, "Wait", WAIT)

    def start(number):
        try:
            return client.start_execution(stateMachineArn=machine, name=f"e{number}", input=json.dumps({"n": number}))["executionArn"]
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError):
            return None

    answered = [start(number) for number in range(20)]
    assert all(answered)
    broken.write_text(call)
    if work == "executions":
        # In flight together: each is told that it failed, none that it was taken.
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            assert not any(pool.map(start, range(100, 116)))
    else:
        with pytest.raises((botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError)):
            client.create_activity(name="late")
    assert server.process.wait(timeout=PATIENCE_SECONDS) == 1
    assert "the store is broken" in server.last_words()
    assert ".log at offset" in server.last_words()

    broken.unlink()
    server.start()
    client = server.client()
    for arn in answered:
        wait_until("the execution is there", lambda: client.describe_execution(executionArn=arn)["status"] == "RUNNING")
    assert start(200), "the store takes new work again"
