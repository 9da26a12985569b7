"""Libraries that come with an extra: what lacks them says so in one sentence."""

from __future__ import annotations

from importlib.util import find_spec

from grounding.errors import TrainingError


def need(*libraries: str, extra: str = "train") -> None:
    """That these can be imported. Raises TrainingError that says what to install."""
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise TrainingError(f"{', '.join(missing)} {are} not installed: pip install 'proofreel[{extra}]'")
