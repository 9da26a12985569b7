"""Where the STGR data of Open-o3 Video (arXiv 2510.20579) lie: nine folders of media, two lists of rows.

    DATA_ROOT/json_data/STGR-SFT.json, STGR-RL.json
    DATA_ROOT/videos/gqa                        pictures
    DATA_ROOT/videos/stgr/plm/videos            and kfs/: the key frames as pictures, which are not read
    DATA_ROOT/videos/stgr/temporal_grounding/videos
    DATA_ROOT/videos/timerft
    DATA_ROOT/videos/treevgr                    pictures, in images/
    DATA_ROOT/videos/tvg_r1/GroundedVLLM
    DATA_ROOT/videos/tvg_r1/videomind_data
    DATA_ROOT/videos/videoespresso/videos
    DATA_ROOT/videos/videor1

Which folder a row's media are in follows from its source, by the rules of the released loaders. A source that
they don't know has its media under `videos/` itself.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from grounding.errors import printable

Split = Literal["sft", "rl"]
SPLITS: tuple[Split, ...] = get_args(Split)

ROW_FILES: dict[Split, str] = {"sft": "json_data/STGR-SFT.json", "rl": "json_data/STGR-RL.json"}

FOLDERS = (
    ("STR_plm", "stgr/plm/videos"),
    ("STR_", "stgr/temporal_grounding/videos"),
    ("TVG_", "tvg_r1"),
    ("TreeVGR", "treevgr"),
    ("gqa", "gqa"),
    ("timerft", "timerft"),
    ("videoespresso", "videoespresso/videos"),
    ("videor1", "videor1"),
)
"""The folder under `videos/` of every source whose name begins so; the first that fits counts."""

EXPECTED = (
    "json_data/STGR-SFT.json and STGR-RL.json, and their media under "
    "videos/{gqa, stgr/plm, stgr/temporal_grounding, timerft, treevgr, tvg_r1/GroundedVLLM, "
    "tvg_r1/videomind_data, videoespresso, videor1}"
)


def rows_file(root: Path, split: Split) -> Path:
    """The list of rows of a split. Raises ValueError, saying what is expected, where there is none."""
    path = root / ROW_FILES[split]
    if not root.is_dir():
        raise ValueError(f"DATA_ROOT {printable(root)} is no folder: it should hold {EXPECTED}")
    if not path.is_file():
        raise ValueError(f"DATA_ROOT {printable(root)} has no {ROW_FILES[split]}: it should hold {EXPECTED}")
    return path


def splits_there(root: Path) -> tuple[Split, ...]:
    """The splits whose list is there. Raises ValueError, saying what is expected, where none is."""
    found = tuple(split for split in SPLITS if (root / ROW_FILES[split]).is_file())
    if not found:
        rows_file(root, "sft")
    return found


def media_path(root: Path, *, source: str, name: str) -> Path:
    """The file that a row of `source` calls `name`. Raises ValueError for a name that leads elsewhere.

    Links in it are followed, as archives are often kept elsewhere and linked in.
    """
    inner = PurePosixPath(name)
    if not name.strip() or "\0" in name or inner.is_absolute() or ".." in inner.parts:
        raise ValueError(f"{name[:200]!r} does not lead into the media folder of its source")
    return root / "videos" / folder_of(source) / inner


def folder_of(source: str) -> str:
    """The folder of a source under `videos/`."""
    return next((folder for prefix, folder in FOLDERS if source.startswith(prefix)), "")
