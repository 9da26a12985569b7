"""The suites that `proofreel evaluate` knows."""

from __future__ import annotations

SUITES = ("proofworld",)


def check_suite(name: str) -> None:
    """Raises ValueError, with what there is, for a suite that isn't known."""
    if name not in SUITES:
        raise ValueError(f"no suite named {name!r}; there is: {', '.join(SUITES)}")
