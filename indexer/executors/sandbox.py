"""What a process that decodes untrusted files may not do.

Held on Linux: the private memory it can ask for and the files it can open (`setrlimit`), dying with its
parent (`prctl`), and no network (`without_network`, a seccomp filter of the kernel, for the threads that run
already too). On other systems only the files and, where the system keeps to it, the memory. Time is not held
here: the driver kills a worker of which nothing comes.
"""

from __future__ import annotations

import ctypes
import logging
import os
import resource
import signal
import socket
import sys
from dataclasses import dataclass

import psutil

MOST_OPEN_FILES = 1024
MEMORY_SHARE = 0.8
"""So much of the machine's memory all workers may ask for together."""

_PR_SET_PDEATHSIG = 1
_EPERM = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one worker may use: bytes of private memory, and open files."""

    memory_bytes: int
    open_files: int = MOST_OPEN_FILES


def share_of_memory(workers: int) -> int:
    """Bytes that one of `workers` processes may ask for on this machine."""
    return int(psutil.virtual_memory().total * MEMORY_SHARE / workers)


def hold(limits: Limits) -> None:
    """Hold this process to `limits`, and let it leave no core file: those of a network are gigabytes."""
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    # Not RLIMIT_AS: networks and GPU drivers reserve address space by the terabyte and never use it.
    _lower(resource.RLIMIT_DATA, limits.memory_bytes)


def _lower(kind: int, value: int) -> None:
    _, most = resource.getrlimit(kind)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    resource.setrlimit(kind, (value, value))


def die_with_parent(parent_pid: int) -> None:
    """Be killed when the driver's process ends, also in the middle of a native call that never returns."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)  # it ended before we could ask


def without_network() -> bool:
    """Open no socket from now on, in any thread, but to processes of this machine; whether that holds."""
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError, OSError):  # no libseccomp on this system
        log.info("libseccomp is not here: decoding is not kept from the network")
        return False
    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    rules.set_attr(seccomp.Attr.CTL_TSYNC, 1)
    refuse, own = seccomp.ERRNO(_EPERM), int(socket.AF_UNIX)
    rules.add_rule(refuse, "socket", seccomp.Arg(0, seccomp.NE, own))
    rules.add_rule(refuse, "io_uring_setup")  # which opens sockets without that call
    rules.load()
    return True
