"""What holds for all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.homes import BACKENDS, on_server
from tests.postgres import Server

# `make test` runs two processes of tests, which start more: libraries that take a thread for every core make
# them wait for each other. It holds for what is loaded from here on, and for the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# As the command has it. Python's own thresholds were chosen for programs of fewer objects: what these tests
# load is looked through hundreds of times, and almost nothing of it is garbage.
gc.set_threshold(10_000, 20, 20)

# Hypothesis fails an example that takes 0.2 s, as one does that loads a library, or any on a busy machine.
# Speed is measured in benchmarks.
settings.register_profile("no clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no clock")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One server for all tests, its programs on the path; each test has a database of its own in it."""
    server = Server()
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{server.bin}{os.pathsep}{before}"
    yield server
    os.environ["PATH"] = before
    server.remove()


@pytest.fixture(params=BACKENDS)
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A home without an index, once for each database."""
    folder = tmp_path / "home"
    if request.param == "sqlite":
        yield folder
        return
    server: Server = request.getfixturevalue("postgres_server")
    database = server.take()
    yield on_server(folder, server, database=database)
    server.give_back(database)


@pytest.fixture
def server_home(postgres_server: Server, tmp_path: Path) -> Iterator[Path]:
    """A home without an index, of a PostgreSQL database."""
    database = postgres_server.take()
    yield on_server(tmp_path / "home", postgres_server, database=database)
    postgres_server.give_back(database)


@pytest.fixture(scope="module")
def postgres_home(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same for all tests of a module."""
    database = postgres_server.take()
    yield on_server(tmp_path_factory.mktemp("home"), postgres_server, database=database)
    postgres_server.give_back(database)
