"""The night: files are found, looked at once, and what was seen is kept; or one question is answered at once.

Each name is loaded at its first use, so that a command starts without a decoder or a database.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indexer.asking import AskResult, ask
    from indexer.indexing import index_paths
    from indexer.progress import Reporter
    from indexer.questions import as_question, question_set
    from indexer.report import FileReport, IndexReport, Totals
    from indexer.request import Request
    from indexer.status import Status, read_status
    from indexer.stopping import Stop

__all__ = [
    "AskResult",
    "FileReport",
    "IndexReport",
    "Reporter",
    "Request",
    "Status",
    "Stop",
    "Totals",
    "as_question",
    "ask",
    "index_paths",
    "question_set",
    "read_status",
]

_MODULE_OF = {
    "AskResult": "asking",
    "FileReport": "report",
    "IndexReport": "report",
    "Reporter": "progress",
    "Request": "indexing",
    "Status": "status",
    "Stop": "stopping",
    "Totals": "report",
    "as_question": "questions",
    "ask": "asking",
    "index_paths": "indexing",
    "question_set": "questions",
    "read_status": "status",
}


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'indexer' has no attribute {name!r}")
    return getattr(importlib.import_module(f"indexer.{_MODULE_OF[name]}"), name)
