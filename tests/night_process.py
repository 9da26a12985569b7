"""`proofreel index|ask|status` with the brightness engine, as a process of its own that can be killed.

Run as `python -m tests.night_process [--clip-s SECONDS] COMMAND ...`; SECONDS is how long each clip takes.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any, Self

import typer

from grounding.errors import ProofreelError
from indexer import attempts, commands, work
from indexer import looking as looking_room
from storage import clock
from tests.brightness import BrightnessEngine
from tests.inline import InlineExecutor, looking
from tests.lamps import LetterEmbedder
from tests.troubles import TroubledLooker, at_clip
from video.frames import Clip

CLOCK_STEPS_BACK = "NIGHT_CLOCK_STEPS_BACK"
"""Set to N: from the Nth look at the clock on, it shows a day less."""

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def command(*args: str | Path, clip_s: float = 0.0) -> list[str | Path]:
    """The command line of such a process; run it in ROOT."""
    return [sys.executable, "-m", "tests.night_process", f"--clip-s={clip_s}", *args]


def run(
    *args: str | Path, clip_s: float = 0.0, timeout_s: float = 120.0, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run it to its end and give its output as text."""
    line = command(*args, clip_s=clip_s)
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, **options)


def start(*args: str | Path, clip_s: float = 0.0, **options: Any) -> subprocess.Popen[str]:
    """Start it, and let the caller end it."""
    line = command(*args, clip_s=clip_s)
    return subprocess.Popen(
        line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def run_here(*args: str | Path) -> Outcome:
    """The same within this process, in a third of the time; for what needs no process of its own."""
    out, err = io.StringIO(), io.StringIO()
    own = commands.load_engine, commands.load_embedder, commands.load_executor
    commands.load_executor = inline
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["--clip-s=0", *map(os.fspath, args)])
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
        finally:
            commands.load_engine, commands.load_embedder, commands.load_executor = own
    return Outcome(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def slow_engine(_name: str, *, clip_s: float, **_: Any) -> BrightnessEngine:
    """A brightness engine that takes `clip_s` for each clip, and meets what trouble a file's name says."""

    def on_clip(clip: Clip) -> None:
        time.sleep(clip_s)
        at_clip(clip)

    return BrightnessEngine(on_clip=on_clip)


def step_back(*, after: int) -> None:
    """Set this process's clock back by a day once it was looked at `after` times."""
    looks = itertools.count()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) - timedelta(days=1 if next(looks) >= after else 0)

    clock.datetime = attempts.datetime = work.datetime = Clock  # type: ignore[misc,attr-defined]


def letters(**_: Any) -> LetterEmbedder:
    return LetterEmbedder()


def inline(engine: Callable[..., Any], **_: Any) -> InlineExecutor:
    return looking(engine, letters)


def main(args: Sequence[str]) -> None:
    clip_s = float(args[0].removeprefix("--clip-s="))
    commands.load_engine = partial(slow_engine, clip_s=clip_s)
    commands.load_embedder = letters
    app = typer.Typer(pretty_exceptions_enable=False)
    commands.register(app)
    command = typer.main.get_command(app)
    if "--config" in args:
        from proofreel.cli import bind_settings

        bind_settings(command)
    try:
        command(args[1:], prog_name="proofreel")
    except ValueError as error:
        _fail(error, code=2)
    except ProofreelError as error:
        _fail(error, code=1)


def _fail(error: Exception, *, code: int) -> None:
    print(f"proofreel: {error}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    looking_room.Looker = TroubledLooker  # type: ignore[misc]
    if (steps := os.environ.get(CLOCK_STEPS_BACK)) is not None:
        step_back(after=int(steps))
    main(sys.argv[1:])
