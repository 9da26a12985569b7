"""HTML pages in one file each: styles and plots lie within, and nothing is loaded from anywhere."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"


def page(template: str, values: Mapping[str, Any]) -> str:
    """The page that a template and values make. What the values hold is escaped: it is text, no markup."""
    return _templates().get_template(template).render(values)


def write_page(path: Path, text: str) -> None:
    """Write a page whole. Raises StorageError when it can't be written."""
    from storage.failures import told

    beside = path.with_name(f".{path.name}.part")
    with told(path):
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)


def require_parts() -> None:
    """Raise ValueError, with what to install, where the libraries that make pages are missing."""
    missing = missing_parts("jinja2", "matplotlib")
    if missing is not None:
        raise ValueError(missing)


def missing_parts(*names: str, extra: str = "report") -> str | None:
    """What to install where any of these libraries of an extra is missing, in a sentence."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    return f"this needs {' and '.join(missing)}; install it with pip install 'proofreel[{extra}]'"


@cache
def _templates() -> jinja2.Environment:
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    return made
