"""The real binary, serving a directory of its own on a free port.

FACTUM names another binary than target/debug/factum.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
import umadb

BUILT = Path(__file__).parents[3] / "target" / "debug" / "factum"


class Server:
    def __init__(self, directory):
        binary = os.environ.get("FACTUM", BUILT)
        command = [binary, "--json", "serve", "--listen", "127.0.0.1:0", "--dir", directory]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]

    def end(self):
        """Asks it to end, and waits until it has."""
        self.process.terminate()
        assert self.process.wait() == 0

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def client(server):
    with umadb.Client(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server for all tests of a module: those of a package that is tested by its own cases."""
    server = Server(tmp_path_factory.mktemp("data"))
    yield server.url
    server.kill()
