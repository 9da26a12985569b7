"""Text from models, pictures and file names made safe to print, counts, and times as a player shows them.

Such text may hold anything: terminal escape sequences, line breaks, marks that turn the reading direction
around.
"""

from __future__ import annotations

import re

from inflection import pluralize

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system command: window title, link, clipboard
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # control sequence: colour, cursor
    r"|\x1b."
)


def plain(text: str) -> str:
    """`text` in one line that a terminal can only show: escape sequences out, the unprintable as a space."""
    shown = "".join(c if c.isprintable() else " " for c in _ESCAPES.sub("", text))
    return " ".join(shown.split())


def clock(seconds: float) -> str:
    """Seconds as m:ss.mmm, or h:mm:ss.mmm from an hour on."""
    milliseconds = round(abs(seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if seconds < 0 and milliseconds else ""
    start = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{sign}{start}:{rest // 1000:02}.{rest % 1000:03}"


def counted(count: int, noun: str) -> str:
    """A count with its noun in the right number: 1 file, 2 files, 1,000,000 moments."""
    return f"{count:,} {noun if count == 1 else pluralize(noun)}"


def number(value: float) -> str:
    """Seconds to one decimal, whole ones without it: 99.5, 0."""
    return f"{value:.1f}".removesuffix(".0")
