"""Which file system a folder lies on: SQLite's write-ahead log needs memory that all its users share."""

from __future__ import annotations

import os
import re
from pathlib import Path

from grounding.errors import StorageError, printable

_NETWORK = {"9p", "acfs", "afp", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "gfs", "gfs2", "glusterfs"}
_NETWORK |= {"gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs"}
_NETWORK |= {f"fuse.{kind}" for kind in ("cephfs", "ceph-fuse", "davfs2", "gcsfuse", "glusterfs", "moosefs")}
_NETWORK |= {f"fuse.{kind}" for kind in ("goofys", "rclone", "s3fs", "sshfs")}


def refuse_network_disk(folder: Path, *, mounts: Path = Path("/proc/mounts")) -> None:
    """Raise `StorageError` when `folder` lies on a network file system.

    `mounts` lists what is mounted where (Linux). Where there is no such list nothing is refused.
    """
    try:
        table = mounts.read_text(errors="surrogateescape")
    except OSError:
        return
    kind = file_system_of(folder, table=table)
    if kind in _NETWORK:
        raise StorageError(
            f"{printable(folder)} lies on a network file system ({kind}), where SQLite can lose data; "
            "give a --home on a local disk"
        )


def file_system_of(folder: Path, *, table: str) -> str | None:
    """The type of the file system that holds `folder`, by a table as in /proc/mounts; the last mount wins."""
    here = os.path.realpath(folder)
    best, kind = -1, None
    for line in table.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _unescape(fields[1]).rstrip("/")
        if (here + "/").startswith(point + "/") and len(point) >= best:
            best, kind = len(point), fields[2]
    return kind


def _unescape(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), point)
