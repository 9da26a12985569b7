"""The tasks that a model is asked to do, and the words in which it is asked."""

from __future__ import annotations

from typing import Literal

Task = Literal[
    "describe",  # the standing description of a segment: statements, no question
    "visual QA",
    "temporal-spatial free-form QA",
    "temporal QA",
    "temporal QA (MCQ)",
    "General video QA MCQ",
    "General video QA Free-form",
]
