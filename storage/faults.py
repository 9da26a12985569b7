"""Points at which a run can be made to die, to prove that nothing is lost there and nothing done twice.

`PROOFREEL_FAULT="commit:after-claim=kill"` kills the process with SIGKILL when it comes to that point, and
`...=kill@3` the third time. `disk-full` in place of `kill` raises what a full disk raises. Several are joined
by commas. Without the variable a point costs a look at an empty mapping.
"""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

VARIABLE = "PROOFREEL_FAULT"

COMMIT = (
    "commit:begin",
    "commit:after-claim",
    "commit:after-answers",
    "commit:after-seen",
    "commit:before-commit",
    "commit:after-commit",
)
DRIVER = (
    *("file:before-commit", "file:after-commit", "plan:before-commit", "plan:after-commit"),
    *("cut:before-commit", "cut:after-commit", *COMMIT, "attempt:before-commit", "attempt:after-commit"),
    *("vectors:begin", "vectors:after-write", "vectors:before-commit", "vectors:after-commit"),
)
WORKER = (
    *("worker:received", "worker:recognised", "worker:examined", "worker:decoded", "worker:answered"),
    *("worker:embedded", "worker:before-send", "worker:after-send"),
)
POINTS = (*DRIVER, *WORKER)
"""Every point there is."""

Action = Literal["kill", "disk-full"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fault:
    action: Action
    at: int


def parse(text: str) -> dict[str, _Fault]:
    """Faults by point. Raises ValueError for a point or an action that there is not."""
    return dict(_parse_one(part) for part in text.split(",") if part)


def _parse_one(text: str) -> tuple[str, _Fault]:
    name, _, wanted = text.partition("=")
    action, _, at = wanted.partition("@")
    if name not in POINTS or action not in get_args(Action) or not (at or "1").isdigit():
        raise ValueError(
            f"{VARIABLE} takes POINT=kill or POINT=disk-full, with @N for the Nth time, not {text!r}; "
            f"points are: {', '.join(POINTS)}"
        )
    return name, _Fault(action=action, at=int(at or "1"))  # type: ignore[arg-type]  # checked above


_faults = parse(os.environ.get(VARIABLE, ""))
_passed: Counter[str] = Counter()


def point(name: str) -> None:
    """The process is at `name`: dies or raises here when it was told to."""
    if name not in _faults:
        return
    fault = _faults[name]
    _passed[name] += 1
    if _passed[name] != fault.at:
        return
    if fault.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
