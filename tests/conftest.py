"""Every test talks to a real `skald server`: `server` is one for the file, `new_server` makes one for the test."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from server import BINARY, Server  # noqa: E402


def pytest_configure(config):
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"no skald at {BINARY}: `make test` builds it; SKALD_BIN names another", returncode=2)


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """A server with the functions that the file declares as FUNCTIONS."""
    functions = getattr(request.module, "FUNCTIONS", {})
    server = Server(tmp_path_factory.mktemp("server"), functions)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def client(server):
    return server.client()


@pytest.fixture
def new_server(tmp_path):
    """Makes servers that belong to the test alone."""
    servers = []

    def make(functions=None, memory=False):
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        server = Server(folder, functions, memory)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Shows the server's last words beside a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for name, value in item.funcargs.items():
            if isinstance(value, Server):
                report.sections.append((f"log of {name}", value.last_words()))
