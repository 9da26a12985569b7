"""Standard output as every command gets it: where it takes no more, the command ends with one sentence."""

from __future__ import annotations

import io
from typing import Any, TextIO

from grounding.errors import ProofreelError


class OutputLost(ProofreelError):
    """Standard output takes no more, and somebody should know (a reader that left, `| head`, knows)."""


class _Descriptor(io.FileIO):
    """A file descriptor that tells once that it takes no more; what is still flushed then goes nowhere."""

    _lost = False

    def write(self, data: Any, /) -> int:
        if self._lost:
            return len(data)
        try:
            return super().write(data)
        except BrokenPipeError:
            self._lost = True
            raise
        except OSError as error:
            self._lost = True
            raise OutputLost(
                f"the results can't be written to standard output ({error.strerror}); "
                "make room there and run the command again"
            ) from error


def results(stdout: TextIO | None) -> TextIO:
    """`stdout` anew, which raises `OutputLost` where a write or a flush fails, and so it does without one."""
    if stdout is None:
        raise OutputLost("standard output is closed; leave it open for the results, or send them to a file")
    return io.TextIOWrapper(
        io.BufferedWriter(_Descriptor(stdout.fileno(), "w", closefd=False)),
        encoding=stdout.encoding,
        errors=stdout.errors,
        line_buffering=stdout.isatty() or getattr(stdout, "write_through", False),
    )
