"""What operators do with the folder of a store: backups, checks, repairs; and executions that go when their time is over."""

import shutil
import subprocess
import threading

import botocore.exceptions
import pytest

from server import BINARY, Server, create_machine, ended, history, run, wait_until

PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": {"done": True}, "End": True}}}


def skald(*arguments):
    return subprocess.run([BINARY, "store", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.fixture
def on(tmp_path):
    """A server whose data is a copy of a folder."""
    servers = []

    def make(folder):
        own = tmp_path / f"other{len(servers)}"
        own.mkdir()
        servers.append(Server(own))
        shutil.copytree(folder, servers[-1].data)
        return servers[-1].start()

    yield make
    for server in servers:
        server.close()


def test_a_backup_of_a_busy_server_has_what_was_acknowledged_and_goes_on(new_server, on, tmp_path):
    server = new_server()
    client = server.client()
    activity = client.create_activity(name="work")["activityArn"]
    asks = create_machine(client, "Asks", {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": activity, "End": True}}})
    waiting = client.start_execution(stateMachineArn=asks, name="waiting", input='{"n": 1}')["executionArn"]
    token = client.get_activity_task(activityArn=activity)["taskToken"]
    quick = create_machine(client, "Quick", PASS)
    over = threading.Event()
    started = []

    def load():
        own = server.client()
        while not over.is_set():
            started.append(own.start_execution(stateMachineArn=quick, name=f"e{len(started)}")["executionArn"])

    thread = threading.Thread(target=load)
    thread.start()
    try:
        wait_until("some were started", lambda: len(started) > 50)
        before = len(started)
        copied = skald("backup", tmp_path / "copy", "--data", server.data)
    finally:
        over.set()
        thread.join()
    assert copied.returncode == 0, copied.stderr
    checked = skald("check", tmp_path / "copy")
    assert checked.returncode == 0, checked.stdout
    assert "DAMAGED" not in checked.stdout

    client = on(tmp_path / "copy").client()
    for arn in started[:before]:
        assert ended(client, arn)["status"] == "SUCCEEDED"
    client.send_task_success(taskToken=token, output='{"answer": 42}')
    assert ended(client, waiting)["output"] == '{"answer": 42}'
    assert run(client, quick)["status"] == "SUCCEEDED"


def test_a_store_that_a_server_has_open_is_neither_checked_nor_repaired(new_server, tmp_path):
    server = new_server()
    for words in (["check", server.data], ["repair", server.data, "--to", tmp_path / "new"]):
        refused = skald(*words)
        assert refused.returncode != 0
        assert "another process" in refused.stderr, refused.stderr


def test_what_is_whole_of_a_damaged_store_is_repaired_and_served(new_server, on, tmp_path):
    server = new_server()
    client = server.client()
    quick = create_machine(client, "Quick", PASS)
    arns = [run(client, quick, name=f"e{number}")["executionArn"] for number in range(40)]
    server.kill()
    [log, *_] = sorted((server.data / "log").glob("*.log"))
    image = bytearray(log.read_bytes())
    place = image.index(b"e20")
    image[place] ^= 1
    log.write_bytes(image)

    checked = skald("check", server.data)
    assert checked.returncode == 1
    [damaged] = [line for line in checked.stdout.splitlines() if line.startswith("DAMAGED")]
    assert f"log/{log.name}" in damaged
    assert "offset" in damaged
    with pytest.raises(AssertionError, match="did not become ready"):
        server.start()
    assert f"log/{log.name}" in server.last_words()
    repaired = skald("repair", server.data, "--to", tmp_path / "new")
    assert repaired.returncode == 1, "it says that something is lost"
    assert "lost" in repaired.stdout
    assert skald("check", tmp_path / "new").returncode == 0

    client = on(tmp_path / "new").client()
    there = 0
    for arn in arns:
        try:
            if ended(client, arn)["status"] == "SUCCEEDED":
                there += history(client, arn)[-1]["type"] == "ExecutionSucceeded"
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "ExecutionDoesNotExist"
    assert there >= 20, "what the damaged frame did not touch is there"
    assert run(client, quick)["status"] == "SUCCEEDED"
