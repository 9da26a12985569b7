"""Where the time of a training goes, measured without holding it up.

Marks are CUDA events: the device notes when it comes by. Between the last mark of a step and the first of the
next it had nothing to do: what is not such a gap is its busy share (gaps within a part are not seen by it).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

PARTS = ("render", "forward", "backward", "clip", "optimise")


class Marks:
    """Points in a device's own time; on a CPU, where nothing runs on, in the host's."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"

    def now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

    def seconds(self, first: Any, last: Any) -> float:
        """Between two marks that the device has passed."""
        return float(first.elapsed_time(last) / 1000 if self._cuda else last - first)

    def passed(self, mark: Any) -> bool:
        return not self._cuda or bool(mark.query())


@dataclass(slots=True, kw_only=True)
class Window:
    """Steps that are logged as one: the marks of each, and what was measured on the device, on its way."""

    step: int = 0
    before: Any
    steps: list[list[Any]] = field(default_factory=list)
    waited_s: float = 0.0
    values: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A window that the device has passed. `parts_s` are seconds of each part, `waited_s` for data."""

    step: int
    steps: int
    seconds: float
    parts_s: dict[str, float]
    waited_s: float
    values: Tensor

    @property
    def busy(self) -> float:
        """Share of the time in which the device was within a step."""
        return sum(self.parts_s.values()) / self.seconds


class Pace:
    """Collects the marks of steps, and hands windows of them out once the device has passed them."""

    def __init__(self, device: torch.device) -> None:
        self._marks = Marks(device)
        self._open = Window(before=self._marks.now())
        self._closed: deque[Window] = deque()

    def restart(self) -> None:
        """Begin a window here: what came before is not counted."""
        self._open = Window(before=self._marks.now())

    def begin(self, *, waited_s: float) -> None:
        """A step begins, after so many seconds of waiting for its data."""
        self._open.waited_s += waited_s
        self._open.steps.append([self._marks.now()])

    def mark(self) -> None:
        """The next of `PARTS` is over."""
        self._open.steps[-1].append(self._marks.now())

    def close(self, step: int, values: Tensor) -> None:
        """End the window after `step`; `values` are copied off the device in its own time."""
        window = self._open
        window.step, window.values = step, values.to("cpu", non_blocking=True)
        end = self._marks.now()
        window.steps.append([end])
        self._closed.append(window)
        self._open = Window(before=end)

    def passed(self, *, wait: bool = False) -> Iterator[Measured]:
        """The windows that are over on the device too; all, when told to `wait`."""
        if wait and torch.cuda.is_available():
            torch.cuda.synchronize()
        while self._closed and self._marks.passed(self._closed[0].steps[-1][0]):
            yield self._measured(self._closed.popleft())

    def _measured(self, window: Window) -> Measured:
        *steps, (end,) = window.steps
        assert window.values is not None
        parts = {
            part: sum(self._marks.seconds(marks[k], marks[k + 1]) for marks in steps)
            for k, part in enumerate(PARTS)
        }
        return Measured(
            step=window.step,
            steps=len(steps),
            seconds=self._marks.seconds(window.before, end),
            parts_s=parts,
            waited_s=window.waited_s,
            values=window.values,
        )
