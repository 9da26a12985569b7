"""How a model writes a box, and how Proofreel keeps it."""

from __future__ import annotations

from typing import Literal

Coordinates = Literal["relative-1000", "pixels"]
