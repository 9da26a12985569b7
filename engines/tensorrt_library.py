"""The TensorRT that is installed: `tensorrt` (10.15 and later) or `tensorrt_rtx`, by one name for both."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_args

from grounding.errors import EngineError

LibraryName = Literal["tensorrt", "tensorrt_rtx"]
LIBRARIES: tuple[LibraryName, ...] = get_args(LibraryName)

_MODULES: dict[LibraryName, tuple[str, ...]] = {
    "tensorrt": ("tensorrt",),
    "tensorrt_rtx": ("tensorrt_rtx", "tensorrt_rtx_bindings"),  # the bindings alone do as well
}
_EXTRA: dict[LibraryName, str] = {"tensorrt": "tensorrt", "tensorrt_rtx": "tensorrt-rtx"}
_OLDEST = (10, 15)  # the first `tensorrt` whose parser knows TensorScatter and Attention

_UNHEARD = ("VERBOSE", "INFO")


@dataclass(frozen=True, kw_only=True)
class Library:
    """An imported TensorRT. `log` holds what it has said, (severity, text); a process has one."""

    name: LibraryName
    version: str
    api: Any = field(repr=False)
    log: Any = field(repr=False)

    @property
    def capabilities(self) -> tuple[str, ...]:
        """The compute capabilities that it builds for without such a GPU, as SM89; none for `tensorrt`."""
        if self.name == "tensorrt":
            return ()
        names: dict[str, Any] = self.api.ComputeCapability.__members__
        return tuple(sorted((n for n in names if n.startswith("SM")), key=lambda name: int(name[2:])))

    def last_error(self) -> str:
        """The last thing that went wrong, in one line."""
        errors = [text for severity, text in self.log.lines if severity.endswith("ERROR")]
        return " ".join(errors[-1].split())[:300] if errors else "it gives no reason"


def find_library(name: LibraryName | None = None) -> Library:
    """The library of that name, or whichever there is, `tensorrt` first.

    Raises EngineError when it isn't installed, can't be loaded or is too old.
    """
    wanted = LIBRARIES if name is None else (name,)
    reasons = []
    for one in wanted:
        for module in _MODULES[one]:
            try:
                return _library(one, module)
            except ImportError as error:
                reasons.append(str(error))
    installs = " or ".join(f"`pip install 'proofreel[{_EXTRA[n]}]'`" for n in wanted)
    raise EngineError(f"{' or '.join(wanted)} is not installed here ({reasons[-1]}): {installs}")


@cache
def _library(name: LibraryName, module: str) -> Library:
    api = importlib.import_module(module)
    version = str(api.__version__)
    if name == "tensorrt" and tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise EngineError(
            f"tensorrt {version} is here; 10.15 or later is needed: `pip install -U 'proofreel[tensorrt]'`"
        )
    return Library(name=name, version=version, api=api, log=_log(api))


def _log(api: Any) -> Any:
    class Log(api.ILogger):  # type: ignore[misc]  # its base is known only now
        def __init__(self) -> None:
            api.ILogger.__init__(self)
            self.lines: list[tuple[str, str]] = []

        def log(self, severity: Any, text: str) -> None:
            if severity.name not in _UNHEARD:
                self.lines.append((severity.name, text))

    return Log()
