"""Texts that a model or a picture gave, made such that every database can hold them."""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable(text: str) -> str:
    """`text` with NUL and lone surrogates, which SQL can't hold, replaced by U+FFFD."""
    return _UNSTORABLE.sub("�", text)
