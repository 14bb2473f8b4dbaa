"""Nothing is answered before it is on disk: the flushes that the operating system is asked for, counted from outside."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from server import create_machine

COUNTER = Path(__file__).parent / "count_flushes.c"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD is Linux's")
def test_every_answer_that_promises_something_comes_after_a_flush(new_server, tmp_path, monkeypatch):
    library, flushes = tmp_path / "count_flushes.so", tmp_path / "flushes"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, COUNTER, "-ldl"], check=True)
    flushes.touch()
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("FLUSHES", str(flushes))
    client = new_server().client()

    def flushed(call):
        before = flushes.stat().st_size
        answer = call()
        assert flushes.stat().st_size > before, "answered without a flush"
        return answer

    wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    machine = flushed(lambda: create_machine(client, "Wait", wait))
    for number in range(20):
        document = json.dumps({"number": number})
        execution = flushed(lambda: client.start_execution(stateMachineArn=machine, input=document))["executionArn"]
        flushed(lambda: client.stop_execution(executionArn=execution))
    flushed(lambda: client.create_activity(name="a"))
    flushed(lambda: client.delete_state_machine(stateMachineArn=machine))
