"""A hand for the tests of executors: an order is a line that says what is to happen."""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np


class Unpicklable(Exception):
    """Can't be made again from its own arguments."""

    def __init__(self, what: str, *, more: str) -> None:
        super().__init__(f"{what} {more}")


class Hand:
    """Does what it is told, and gives its process's id with everything else."""

    def __init__(self) -> None:
        self._num_done = 0

    def do(self, order: str) -> Generator[Any, None, None]:
        verb, _, rest = order.partition(" ")
        yield from getattr(self, f"_{verb}")(rest)
        self._num_done += 1

    def close(self) -> None: ...

    def _count(self, rest: str) -> Generator[Any, None, None]:
        most, _, pause_s = rest.partition(" ")
        for number in range(int(most)):
            time.sleep(float(pause_s or 0.0))
            yield number

    def _pid(self, _rest: str) -> Generator[Any, None, None]:
        yield os.getpid()

    def _number(self, _rest: str) -> Generator[Any, None, None]:
        yield self._num_done

    def _env(self, name: str) -> Generator[Any, None, None]:
        yield os.environ.get(name)

    def _raise(self, what: str) -> Generator[Any, None, None]:
        yield "before"
        raise KeyError(what)

    def _odd(self, what: str) -> Generator[Any, None, None]:
        raise Unpicklable(what, more="and more")
        yield

    def _segv(self, _rest: str) -> Generator[Any, None, None]:
        yield "before"
        ctypes.string_at(0)

    def _exit(self, code: str) -> Generator[Any, None, None]:
        yield "before"
        os._exit(int(code))

    def _hang(self, _rest: str) -> Generator[Any, None, None]:
        yield os.getpid()
        hang()

    def _once(self, rest: str) -> Generator[Any, None, None]:
        """Dies the first time that a file is not there."""
        path = Path(rest)
        if not path.exists():
            path.touch()
            ctypes.string_at(0)
        yield "again"

    def _eat(self, num_bytes: str) -> Generator[Any, None, None]:
        yield len(np.zeros(int(num_bytes), np.uint8))

    def _keep(self, num_bytes: str) -> Generator[Any, None, None]:
        self._kept = np.ones(int(num_bytes), np.uint8)
        yield os.getpid()

    def _connect(self, kind: str) -> Generator[Any, None, None]:
        socket.socket(getattr(socket, f"AF_{kind}")).close()
        yield kind

    def _open(self, count: str) -> Generator[Any, None, None]:
        with ExitStack() as stack:
            for _ in range(int(count)):
                stack.enter_context(open(os.devnull))
        yield count

    def _limit(self, name: str) -> Generator[Any, None, None]:
        yield resource.getrlimit(getattr(resource, name))[0]


class SealedHand(Hand):
    """One that has no network."""

    def __init__(self) -> None:
        from indexer.executors.sandbox import without_network

        super().__init__()
        assert without_network()


def hang() -> None:
    """A native call that never returns and can't be interrupted: it holds the interpreter's lock."""
    ctypes.PyDLL(None).pause()
