"""The recipes and stages that come with Proofreel: found by name from any folder."""

from __future__ import annotations

from pathlib import Path

from grounding.errors import printable

CONFIGS = Path(__file__).parents[1] / "configs"


def names() -> list[str]:
    """What can be named instead of a path."""
    return sorted(path.stem for path in CONFIGS.glob("*.toml"))


def config_at(path: Path) -> Path:
    """The file at `path`; where there is none, the one that ships under NAME, NAME.toml or configs/NAME.toml.

    Raises ValueError, with those that ship, where there is neither.
    """
    shipped = CONFIGS / f"{path.name.removesuffix('.toml')}.toml"
    if path.exists():
        return path
    if path.parent in (Path("."), Path("configs")) and shipped.is_file():
        return shipped
    raise ValueError(
        f"--config {printable(path)} is not there: give a TOML file, or one that ships: {', '.join(names())}"
    )
