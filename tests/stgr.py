"""A small DATA_ROOT with every source of the STGR data, as released in form, with clips made on the spot."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from tests.clips import coded_picture, make_clip

Values = dict[str, Any]

CLIP_S = 4.0
CLIP_SIZE = (160, 120)
PICTURE_SIZE = (200, 120)

EMPTY: Values = {
    "image_path": None,
    "image_size": None,
    "key_frames": None,
    "key_items": None,
    "video_path": None,
}

KEY_FRAMES = [
    {"idx": 12, "path": "a/12.jpg", "time": 1.2},
    {"idx": 30, "path": "a/30.jpg", "time": 3.0},
]
KEY_ITEMS = {
    "12": {"man": [[0.1, 0.2, 0.3, 0.8]], "cup": None},
    "30": {"man": [[0.5, 0.2, 0.7, 0.8]], "red cup": [[0.6, 0.5, 0.65, 0.6], [0.2, 0.5, 0.25, 0.6]]},
}
REASONING = (
    "First, <obj>man</obj><box>[0.1,0.2,0.3,0.8]</box>at<t>1.2</t>s walks in. Then he takes a "
    "<obj>red cup</obj><box>[0.6,0.5,0.65,0.6]</box><box>[0.2,0.5,0.25,0.6]</box>at<t>3.0</t>s and drinks."
)


def row(task: str, source: str, **values: Any) -> Values:
    """A row of that task and source, with what it needs unless `values` say otherwise."""
    name = f"{source}.mp4"
    by_task: dict[str, Values] = {
        "visual QA": {
            "image_path": f"images/{source}.png" if source == "TreeVGR" else f"{source}.png",
            "image_size": list(PICTURE_SIZE),
            "answer": "<obj>kite</obj><box>[20,30,60,90]</box>",
            "reasoning_process": "The red kite <box>[20,30,60,90]</box> is up.",
        },
        "temporal-spatial free-form QA": {
            "video_path": name,
            "answer": "He drinks from a red cup.",
            "key_frames": KEY_FRAMES,
            "key_items": KEY_ITEMS,
            "reasoning_process": REASONING,
        },
        "temporal QA": {
            "video_path": name,
            "answer": "From <t>1.0</t>s to <t>2.5</t>s",
            "reasoning_process": "It begins at <t>1.0</t>s and is over at <t>2.5</t>s.",
        },
        "temporal QA (MCQ)": {
            "video_path": name,
            "answer": "B\n[1.0, 2.5]",
            "reasoning_process": "It is seen From <t>1.0</t>s to <t>2.5</t>s.",
        },
        "General video QA MCQ": {
            "video_path": name,
            "answer": "C",
            "reasoning_process": "Of the four, only C fits.",
        },
        "General video QA Free-form": {
            "video_path": name,
            "answer": "Twelve & a half",
            "reasoning_process": "Count them.",
        },
    }
    return {
        **EMPTY,
        "id": f"{source}-{task}",
        "task": task,
        "source": source,
        "question": "What happens?",
        **by_task[task],
        **values,
    }


SFT = [
    row("temporal-spatial free-form QA", "STR_plm_rdcap"),
    row("temporal-spatial free-form QA", "STR_coin"),
    row("temporal QA", "TVG_didemo", video_path="videomind_data/didemo/a.mp4"),
    row("temporal QA", "TVG_internvid_vtime", video_path="GroundedVLLM/b.mp4"),
    row("visual QA", "TreeVGR"),
    row("General video QA MCQ", "videor1_mcq"),
    row("General video QA Free-form", "videor1_free_from"),
]
RL = [
    row("temporal-spatial free-form QA", "STR_plm_rdcap"),
    row("temporal-spatial free-form QA", "STR_coin"),
    row("temporal-spatial free-form QA", "videoespresso_train_video"),
    row("temporal QA", "timerft", answer="[1.0, 2.5]"),
    row("temporal QA (MCQ)", "TVG_qvhighlight", video_path="videomind_data/c.mp4"),
    row("visual QA", "gqa"),
    row("General video QA MCQ", "videor1_mcq"),
]
for _row in RL:
    del _row["reasoning_process"]

FOLDERS = {
    "STR_plm_rdcap": "stgr/plm/videos",
    "STR_coin": "stgr/temporal_grounding/videos",
    "TVG_didemo": "tvg_r1",
    "TVG_internvid_vtime": "tvg_r1",
    "TVG_qvhighlight": "tvg_r1",
    "TreeVGR": "treevgr",
    "gqa": "gqa",
    "timerft": "timerft",
    "videoespresso_train_video": "videoespresso/videos",
    "videor1_mcq": "videor1",
    "videor1_free_from": "videor1",
}
"""Where the media of each source are, written down once more: a test against the code's own table."""


def write_rows(root: Path, rows: Sequence[Any], *, split: str = "sft") -> Path:
    """Write the list of rows of a split under `root`."""
    path = root / "json_data" / f"STGR-{split.upper()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1))
    return path


def write_media(root: Path, row: Mapping[str, Any]) -> Path:
    """The picture or clip of a row: 4 s at 10 frames a second, each with its number on it."""
    name = row["image_path"] or row["video_path"]
    path = root / "videos" / FOLDERS.get(row["source"], "") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if row["image_path"]:
        Image.fromarray(coded_picture(7, width=PICTURE_SIZE[0], height=PICTURE_SIZE[1])).save(path)
    elif not path.exists():
        make_clip(
            path,
            frames=round(CLIP_S * 10),
            width=CLIP_SIZE[0],
            height=CLIP_SIZE[1],
            time_base=Fraction(1, 10),
            options={"preset": "ultrafast", "g": "10", "bf": "0"},
        )
    return path


def make_root(root: Path) -> Path:
    """A whole DATA_ROOT: both lists, all eleven sources in nine folders."""
    for split, rows in (("sft", SFT), ("rl", RL)):
        write_rows(root, rows, split=split)
        for one in rows:
            write_media(root, one)
    return root
