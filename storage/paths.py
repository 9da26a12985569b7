r"""Paths as text that SQL can hold: any bytes go in, the same bytes come out.

A byte that is not UTF-8 is written as `\udcXX`. Where that very text stands in a path, its backslash is
doubled, so that the two are never mistaken for each other; every other path is its own text.
"""

from __future__ import annotations

import os
import re

from grounding.errors import Path

_TO_TEXT = re.compile(r"(?<!\\)(\\*)([\udc80-\udcff]|udc[89a-f][0-9a-f])")
_TO_PATH = re.compile(r"(?<!\\)(\\+)(udc[89a-f][0-9a-f])")


def path_to_text(path: Path) -> str:
    """The text of an absolute path; a relative one is made absolute by the working directory."""
    return _TO_TEXT.sub(_escape, os.path.abspath(os.fsdecode(path)))


def text_to_path(text: str) -> str:
    """The path, as Python writes it (undecodable bytes as lone surrogates), of a text of `path_to_text`."""
    return _TO_PATH.sub(_unescape, text)


def _escape(match: re.Match[str]) -> str:
    slashes, rest = match.groups()
    if len(rest) == 1:
        return f"{slashes}{slashes}\\u{ord(rest):04x}"
    return f"{slashes}{slashes}{rest}"


def _unescape(match: re.Match[str]) -> str:
    slashes, code = match.groups()
    half = slashes[: len(slashes) // 2]
    return half + (chr(int(code[1:], 16)) if len(slashes) % 2 else code)
