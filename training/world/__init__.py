"""proofworld: rendered clips with exact truth, and the questions that they answer."""

from __future__ import annotations
