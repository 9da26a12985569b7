"""The evidence language: what an engine writes, and the only place where it is read.

    completion := "<think>" reasoning "</think>" ws "<answer>" answer "</answer>"
    claim      := "<obj>" name "</obj>" box+ "at<t>" seconds "</t>s"
    box        := "<box>[" x1 "," y1 "," x2 "," y2 "]</box>"
    reasoning  := free text with claims in it
    answer     := letter | free text | span {" and " span} ["\\nCorrect Option: " letter]
                | "<obj>" name "</obj>" box
                | "Cannot tell" [": " reason]
    span       := "From <t>" a "</t>s to <t>" b "</t>s"

A statement is a sentence of the reasoning with its claims: one per line, a line further cut where a
sentence ends (`.`, `!` or `?` before white space, outside double quotes). In any text `&lt;`, `&amp;`,
`&quot;` and the numeric entities of `escaping` stand for the characters that would otherwise be markup.
"""

from __future__ import annotations

from grounding.escaping import collapse, escape, quote
from grounding.reading import parse
from grounding.writing import (
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
)

__all__ = [
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
    "parse",
    "quote",
]
