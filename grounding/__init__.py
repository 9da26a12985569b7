"""What an answer is made of, how it is written, and how two of them are compared."""

from __future__ import annotations

from grounding.coordinates import Coordinates
from grounding.errors import (
    Damaged,
    EngineError,
    ExportError,
    MediaError,
    NoVideoStream,
    ProofreelError,
    StorageError,
    TimedOut,
    Unreadable,
)
from grounding.evidence import Answer, Box, Claim, Problem, ProblemKind, Span, Statement
from grounding.grammar import (
    collapse,
    escape,
    format_abstention,
    format_box,
    format_claim,
    format_completion,
    format_object,
    format_option,
    format_span,
    format_spans,
    format_statement,
    format_time,
    parse,
    quote,
)
from grounding.prompts import PROOFREEL, TASKS, PromptSet, Task, load_prompts

__all__ = [
    "PROOFREEL",
    "TASKS",
    "Answer",
    "Box",
    "Claim",
    "Coordinates",
    "Damaged",
    "EngineError",
    "ExportError",
    "MediaError",
    "NoVideoStream",
    "Problem",
    "ProblemKind",
    "PromptSet",
    "ProofreelError",
    "Span",
    "Statement",
    "StorageError",
    "Task",
    "TimedOut",
    "Unreadable",
    "collapse",
    "escape",
    "format_abstention",
    "format_box",
    "format_claim",
    "format_completion",
    "format_object",
    "format_option",
    "format_span",
    "format_spans",
    "format_statement",
    "format_time",
    "load_prompts",
    "parse",
    "quote",
]
