from __future__ import annotations

from pathlib import Path

import pytest

from tests.lamps import Night


@pytest.fixture
def night(home: Path) -> Night:
    return Night(home=home)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "videos"
    path.mkdir()
    return path
