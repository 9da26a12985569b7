from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.homes import BACKENDS, on_server
from tests.postgres import Server


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
