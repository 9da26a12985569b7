"""The day: finds moments by words and vectors, and shows the frames that prove them.

Each name is loaded at its first use, so that the command starts fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.documents import search_document as search_document
    from search.documents import show_document as show_document
    from search.filters import Filters as Filters
    from search.finding import Searcher as Searcher
    from search.finding import find as find
    from search.results import Evidence as Evidence
    from search.results import Hit as Hit
    from search.results import Part as Part
    from search.results import Searched as Searched
    from search.results import SearchResult as SearchResult
    from search.showing import Shown as Shown
    from search.showing import show as show

_MODULE_OF = {
    "Evidence": "results",
    "Filters": "filters",
    "Hit": "results",
    "Part": "results",
    "SearchResult": "results",
    "Searched": "results",
    "Searcher": "finding",
    "Shown": "showing",
    "find": "finding",
    "search_document": "documents",
    "show": "showing",
    "show_document": "documents",
}

__all__ = [
    "Evidence",
    "Filters",
    "Hit",
    "Part",
    "SearchResult",
    "Searched",
    "Searcher",
    "Shown",
    "find",
    "search_document",
    "show",
    "show_document",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'search' has no attribute {name!r}")
    return getattr(importlib.import_module(f"search.{_MODULE_OF[name]}"), name)
