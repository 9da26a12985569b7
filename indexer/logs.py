"""The log on standard error: a line a job, and a line a segment when asked for, for people or for programs.

The code logs by the standard library, with its facts as `extra`; how they are written is decided here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TextIO, get_args

LogFormat = Literal["text", "json"]
FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)
_ROOMS = ("indexer", "storage")


def log_format(typed: str) -> LogFormat:
    """A format as typed. Raises ValueError for any other."""
    if typed not in FORMATS:
        raise ValueError(f"--log-format takes {' or '.join(FORMATS)}, not {typed[:40]!r}")
    return typed


@contextmanager
def logging_to(stream: TextIO, written: LogFormat, *, every_segment: bool) -> Iterator[None]:
    """Write what the rooms log to `stream` while inside: jobs, and with `every_segment` segments too."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(written))
    loggers = [logging.getLogger(room) for room in _ROOMS]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG if every_segment else logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def _formatter(written: LogFormat) -> logging.Formatter:
    import structlog

    first: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        structlog.processors.format_exc_info,
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if written == "json"
        else structlog.processors.KeyValueRenderer(
            key_order=["timestamp", "level", "event"], drop_missing=True, repr_native_str=False
        )
    )
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=first, processors=[drop, last])
