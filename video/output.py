"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grounding.errors import MediaError


@contextmanager
def whole_file(out: str | os.PathLike[str], *, suffix: str) -> Iterator[Path]:
    """Give a path beside `out` to write to; it becomes `out` when the block ends well, else it goes.

    Raises ValueError for another suffix than `suffix`, and `MediaError` where the system refuses to write.
    """
    target = Path(out)
    if target.suffix.lower() != suffix:
        raise ValueError(f'can\'t write "{target.suffix}" files; name a file that ends in {suffix}')
    part = target.parent / f".{secrets.token_hex(8)}{suffix}"
    try:
        yield part
        with open(part, "rb") as written:
            os.fsync(written.fileno())
        os.replace(part, target)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise MediaError(out, f"it can't be written ({reason}); choose a place with room") from error
    finally:
        if part.exists():
            part.unlink()
