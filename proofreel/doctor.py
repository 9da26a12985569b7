"""`proofreel doctor`: is everything there that the commands need, and does it work together?"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from proofreel.check import Check
from proofreel.night_checks import night_checks


def register(app: typer.Typer) -> None:
    """Add `doctor` to the command."""
    app.command("doctor")(doctor)


def doctor(
    home: Annotated[Path, typer.Option(help="The home folder to look at.")] = Path(".proofreel"),
    config: Annotated[Path | None, typer.Option(help="Settings file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Check packages, models, decoders, disk, home, lock, clock, last night. Exit code 1 for a problem."""
    checks = [
        _python(),
        *_packages(),
        *_twins(),
        *_assets(),
        *_decoders(),
        _gpu(),
        *_checkpoint_runners(),
        *_home(home),
        *night_checks(home),
    ]
    if as_json:
        print(json.dumps({"schema": "proofreel.doctor/1", "checks": [asdict(check) for check in checks]}))
    else:
        _print(checks)
    if any(check.status == "problem" for check in checks):
        raise typer.Exit(1)


def _print(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("check", "", "found")
    style = {"ok": "green", "optional": "dim", "problem": "red"}
    for check in checks:
        found = check.found if check.advice is None else f"{check.found}: {check.advice}"
        table.add_row(Text(check.name), Text(check.status, style=style[check.status]), Text(found))
    Console().print(table)


def _python() -> Check:
    return Check(name="python", status="ok", found=f"{platform.python_version()} on {platform.machine()}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _packages() -> list[Check]:
    checks = []
    for package in ("av", "openvino", "rapidocr", "sqlalchemy", "numpy"):
        version = _version(package)
        if version:
            checks.append(Check(name=package, status="ok", found=version))
        else:
            checks.append(
                Check(name=package, status="problem", found="not installed", advice="pip install proofreel")
            )
    return checks


def _twins() -> list[Check]:
    """Packages that share one import name: exactly one of each pair may be installed."""
    checks = []
    for module, builds in {
        "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
        "faiss": ("faiss-cpu", "faiss-gpu-cu12"),
        "cv2": ("opencv-python-headless", "opencv-python"),
    }.items():
        there = [f"{build} {_version(build)}" for build in builds if _version(build)]
        if len(there) == 1:
            checks.append(Check(name=module, status="ok", found=there[0]))
        elif there:
            checks.append(
                Check(
                    name=module,
                    status="problem",
                    found=" and ".join(there),
                    advice=f"both own the module {module}; uninstall both, then install the one you want",
                )
            )
        else:
            checks.append(
                Check(name=module, status="problem", found="none", advice=f"pip install {builds[0]}")
            )
    return checks


def _assets() -> list[Check]:
    from engines.assets import asset_states

    return [
        Check(
            name=f"model {state.asset.name}",
            status="problem" if state.problem else "ok",
            found=state.problem or str(state.path),
        )
        for state in asset_states()
    ]


def _decoders() -> list[Check]:
    import av.codec

    checks = []
    for codec in ("h264", "hevc", "vp9", "av1", "mpeg4", "mpeg2video"):
        there = codec in av.codec.codecs_available
        found = "decodes" if there else "no decoder"
        checks.append(Check(name=f"codec {codec}", status="ok" if there else "optional", found=found))
    decord = importlib.util.find_spec("decord")
    found = "installed" if decord else "not installed (an optional second reader)"
    checks.append(Check(name="decord", status="ok" if decord else "optional", found=found))
    return checks


def _gpu() -> Check:
    driver = Path("/proc/driver/nvidia/version")
    found = (
        driver.read_text().splitlines()[0] if driver.exists() else "none; the default engine runs on the CPU"
    )
    return Check(name="gpu", status="ok" if driver.exists() else "optional", found=found)


def _checkpoint_runners() -> list[Check]:
    """What `--engine transformers` needs, and where it would run."""
    checks = []
    for package in ("torch", "transformers"):
        version = _version(package)
        found = version or "not installed (runs checkpoints: pip install 'proofreel[transformers]')"
        checks.append(Check(name=package, status="ok" if version else "optional", found=found))
    if _version("torch"):
        checks.append(Check(name="checkpoints run on", status="ok", found=_torch_device()))
    return checks


def _torch_device() -> str:
    import torch

    if not torch.cuda.is_available():
        return f"cpu, {torch.get_num_threads()} threads"
    return f"cuda, {torch.cuda.get_device_name()}"


def _home(home: Path) -> list[Check]:
    from grounding.errors import StorageError
    from storage import Database

    parent = next(d for d in (home.absolute(), *home.absolute().parents) if d.exists())
    free_gb = shutil.disk_usage(parent).free / 1e9
    checks = [
        Check(
            name="disk",
            status="ok" if free_gb > 1 else "problem",
            found=f"{free_gb:.1f} GB free under {parent}",
            advice=None if free_gb > 1 else "free some space before indexing",
        )
    ]
    if not os.access(parent, os.W_OK):
        checks.append(Check(name="home", status="problem", found=f"{parent} is not writable"))
    elif not (home / "proofreel.db").exists():
        found = f"no database in {home} yet; `proofreel index` makes one"
        checks.append(Check(name="home", status="optional", found=found))
    else:
        try:
            Database.open(home).close()
            checks.append(Check(name="home", status="ok", found=f"{home} opens"))
        except StorageError as error:
            checks.append(Check(name="home", status="problem", found=str(error)))
    return checks
