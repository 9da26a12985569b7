"""Training data: STGR rows, looked through, read as examples, and made from other annotations."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.data.checking import check as check
    from training.data.examples import Example as Example
    from training.data.examples import Reader as Reader
    from training.data.examples import Unusable as Unusable
    from training.data.layout import Split as Split
    from training.data.opening import Data as Data
    from training.data.opening import open_data as open_data
    from training.data.report import Finding as Finding
    from training.data.report import Report as Report
    from training.data.rows import Row as Row
    from training.data.truths import completion_of as completion_of
    from training.data.truths import truth_of as truth_of
    from training.data.view import ModelView as ModelView

__all__ = [
    "Data",
    "Example",
    "Finding",
    "ModelView",
    "Reader",
    "Report",
    "Row",
    "Split",
    "Unusable",
    "check",
    "completion_of",
    "open_data",
    "truth_of",
]

_HOME = {
    "Data": "opening",
    "Example": "examples",
    "Finding": "report",
    "ModelView": "view",
    "Reader": "examples",
    "Report": "report",
    "Row": "rows",
    "Split": "layout",
    "Unusable": "examples",
    "check": "checking",
    "completion_of": "truths",
    "open_data": "opening",
    "truth_of": "truths",
}


def __getattr__(name: str) -> Any:
    """Load a part only when it is asked for: the commands of every room are loaded at every start."""
    if name not in _HOME:
        raise AttributeError(f"module 'training.data' has no attribute {name!r}")
    return getattr(import_module(f"training.data.{_HOME[name]}"), name)
