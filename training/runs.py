"""The folder of one run: its resolved config, where it ran, and its metrics as JSON lines.

run.json       command, commit, versions, device, seed, fingerprint of the data, hash of the config
config.json    every setting with its value
metrics.jsonl  one line a logged step: {"step": 10, "loss": 1.25, ...}
summary.json   what came out, once the run has ended
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from grounding.errors import printable
from training.owning import LOCK

_BARE = {"run.json", "config.json", "run.json.part", "config.json.part", LOCK}

LIBRARIES = ("proofreel", "torch", "transformers", "trl", "accelerate", "peft", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run's folder. Files are replaced whole; metrics are appended a line at a time.

    Who writes one holds it by `training.owning.owned`.
    """

    folder: Path

    @classmethod
    def begin(
        cls, folder: Path, *, config: Mapping[str, Any], seed: int, data: str, device: str, command: str
    ) -> Run:
        """Make the folder, or go on in it when it is of the same config, seed and data.

        `data` is the fingerprint of what is trained on. A run that left nothing yet is no other run: it gives
        way. Raises ValueError for a folder of another run, with what differs.
        """
        folder.mkdir(parents=True, exist_ok=True)
        run = cls(folder=folder)
        facts = {"config_hash": hash_of(config), "seed": seed, "data": data}
        before = run._read("run.json")
        if before is not None:
            changed = [name for name, value in facts.items() if before.get(name) != value]
            if not changed:
                return run
            if not run._is_bare():
                raise ValueError(
                    f"{printable(folder)} holds a run of another {' and '.join(changed)}: "
                    f"give another --out{run._differing(config)}"
                )
        run._write("config.json", dict(config))
        run._write(
            "run.json",
            {**facts, "command": command, "commit": commit(), "device": device, "versions": versions()},
        )
        return run

    def log(self, step: int, **values: float | str | None) -> None:
        """Append what was measured at `step`."""
        line = json.dumps({"step": step, **values}) + "\n"
        with open(self.folder / "metrics.jsonl", "a+b") as stream:
            if stream.tell() and _last_byte(stream) != b"\n":  # a kill cut the line before short
                line = "\n" + line
            stream.write(line.encode("utf-8"))

    def metrics(self) -> Iterator[dict[str, Any]]:
        """What was logged, in order; of a step that was logged again after a resume, the later line."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        latest: dict[int, dict[str, Any]] = {}
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:  # cut short by a kill
                continue
            latest[entry["step"]] = {**latest.get(entry["step"], {}), **entry}
        yield from (latest[step] for step in sorted(latest))

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write what came out."""
        self._write("summary.json", dict(summary))

    def summary(self) -> dict[str, Any] | None:
        """What came out; None for a run that hasn't ended."""
        return self._read("summary.json")

    def _is_bare(self) -> bool:
        """Whether nothing was trained here: it stopped before its first step."""
        left = [path for path in self.folder.iterdir() if path.name not in _BARE]
        return not any(path.is_file() or any(path.iterdir()) for path in left)

    def _differing(self, config: Mapping[str, Any]) -> str:
        """Which settings the run here has otherwise, a few by name."""
        here = flat(self._read("config.json") or {})
        wanted = flat(json.loads(json.dumps(config, default=str)))
        names = [name for name in {**here, **wanted} if here.get(name) != wanted.get(name)]
        shown = [f"{name} is {here.get(name)!r} there, {wanted.get(name)!r} here" for name in names[:3]]
        return f" ({'; '.join(shown)})" if here and shown else ""

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        if not path.is_file():
            return None
        try:
            document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{printable(path)} is damaged ({error}): give another --out") from None
        return document

    def _write(self, name: str, document: dict[str, Any]) -> None:
        part = self.folder / (name + ".part")
        part.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        part.replace(self.folder / name)


def flat(config: Mapping[str, Any] | list[Any], prefix: str = "") -> dict[str, Any]:
    """A config's values by their dotted names."""
    parts = config.items() if isinstance(config, Mapping) else enumerate(config)
    found: dict[str, Any] = {}
    for name, value in parts:
        if isinstance(value, Mapping | list) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _last_byte(stream: IO[bytes]) -> bytes:
    stream.seek(-1, os.SEEK_END)
    return stream.read(1)


def hash_of(config: Mapping[str, Any]) -> str:
    """SHA-256 of a config's values, hex."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()


def commit() -> str | None:
    """The commit of the source that runs, or None outside a checkout; `-dirty` where it was changed."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def versions() -> dict[str, str]:
    """Of Python and of the libraries that a run rests on, where they are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """The command as a shell takes it."""
    return shlex.join(["proofreel", *sys.argv[1:]])
