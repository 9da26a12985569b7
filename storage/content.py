"""What makes a content one video: the hash of all its bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

DIGEST_BYTES = 32


def content_hash(path: Path) -> str:
    """BLAKE2b of the whole content, as 64 hex digits: `video.content_hash`. Raises OSError.

    The whole file is read, not a sample of it: two recordings of one camera can share their first and last
    megabytes and their size, and a wrong "same" would lose a video without a word.
    """
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest()
