"""Homes on both databases: one test, run against SQLite and against PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from storage.address import URL_NAME
from tests.postgres import Server

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


def fresh_home(folder: Path, request: pytest.FixtureRequest) -> Path:
    """A folder to be used as a home; of a PostgreSQL database of its own where `request` asks for that."""
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres_server")
        on_server(folder, server, database=server.create(template=server.template()))
    return folder


def on_server(folder: Path, server: Server, *, database: str) -> Path:
    """Make a folder a home of that database."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / URL_NAME).write_text(server.url(database))
    return folder
