"""`proofreel` within this process: much quicker where one of its own would have to load PyTorch first."""

from __future__ import annotations

import contextlib
import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indexer import commands
from proofreel import cli
from tests.inline import InlineExecutor, looking
from tests.night_process import Outcome


def run_here(*arguments: str | Path, cwd: Path) -> Outcome:
    """Run the whole command, `main` included, in `cwd`."""
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as out,
        tempfile.TemporaryFile("w+", encoding="utf-8") as err,
    ):
        with (
            _started_by(["proofreel", *map(os.fspath, arguments)]),
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            code = _code()
        for stream in (out, err):
            stream.seek(0)
        return Outcome(returncode=code, stdout=out.read(), stderr=err.read())


def _code() -> int:
    try:
        cli.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def _here(engine: Callable[..., Any], **_: Any) -> InlineExecutor:
    return looking(engine, commands.load_embedder)


@contextlib.contextmanager
def _started_by(words: list[str]) -> Iterator[None]:
    """As a shell does it. `main` ends by exempting from collection what there is: this process goes on."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", words)
        # Files are looked at here as well: a worker would load PyTorch anew.
        patched.setattr(commands, "load_executor", _here)
        patched.setenv("COLUMNS", "200")
        for name in [name for name in os.environ if name.startswith("PROOFREEL_")]:
            patched.delenv(name)
        try:
            yield
        finally:
            gc.unfreeze()
