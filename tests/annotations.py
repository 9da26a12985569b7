"""Files of annotations as four tools export them, all saying the same of one clip.

The clip has 40 frames of 160 x 120 px, not evenly spaced in time. A man walks from the left to the right in
frames 5 to 25, drawn in frames 5 and 25 (or, where a tool draws every frame, in each); a dog sits on the
right in frames 10 to 19 and again from 30 to the end.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from tests.clips import make_clip

SIZE = (160, 120)
PTS = [k + k // 10 * 5 for k in range(40)]  # a pause of half a second after every ten frames
LENGTH_S = 5.433  # the writer gives a last frame a thirtieth of a second
MAN = (5, 25)
DOG = ((10, 19), (30, 39))
DOG_BOX = (120.0, 60.0, 152.0, 108.0)


def time_s(frame: int) -> float:
    """When a frame is shown."""
    return PTS[frame] / 10


def man_box(frame: int) -> tuple[float, float, float, float]:
    """Corners in px: 5 px further to the right in every frame."""
    x = 8.0 + 5.0 * (frame - MAN[0])
    return (x, 30.0, x + 32.0, 102.0)


def make_video(path: Path) -> Path:
    """The clip that all of it is about."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return make_clip(
        path,
        frames=40,
        width=SIZE[0],
        height=SIZE[1],
        time_base=Fraction(1, 10),
        pts=PTS,
        options={"preset": "ultrafast", "g": "10", "bf": "0"},
    )


def _boxes() -> list[tuple[int, str, int, tuple[float, float, float, float]]]:
    """Frame, label, number and corners of every box of every frame."""
    man = [(frame, "man", 1, man_box(frame)) for frame in range(MAN[0], MAN[1] + 1)]
    dog = [(frame, "dog", 2, DOG_BOX) for first, last in DOG for frame in range(first, last + 1)]
    return sorted(man + dog)


def write_cvat(path: Path) -> Path:
    """Key frames alone, as a person draws them."""

    def box(frame: int, corners: tuple[float, ...], *, outside: int = 0) -> str:
        sides = " ".join(
            f'{name}="{side:.2f}"' for name, side in zip(("xtl", "ytl", "xbr", "ybr"), corners, strict=True)
        )
        return (
            f'<box frame="{frame}" keyframe="1" outside="{outside}" occluded="0" {sides} z_order="0">'
            '<attribute name="age">9</attribute></box>'
        )

    man = [box(5, man_box(5)), box(25, man_box(25)), box(26, man_box(25), outside=1)]
    dog = [box(10, DOG_BOX), box(20, DOG_BOX, outside=1), box(30, DOG_BOX)]
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task><id>3</id>'
        f"<name>t</name><size>40</size><original_size><width>{SIZE[0]}</width><height>{SIZE[1]}</height>"
        "</original_size><source>clip.mp4</source></task></meta>"
        f'<track id="0" label="man" source="manual">{"".join(man)}</track>'
        f'<track id="1" label="dog" source="manual">{"".join(dog)}</track>'
        '<track id="2" label="path" source="manual"><polyline frame="0" points="0,0;1,1"/></track>'
        "</annotations>"
    )
    return path


def write_mot(folder: Path) -> Path:
    """A sequence folder with a box a line and names of its own for the classes."""
    (folder / "gt").mkdir(parents=True)
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname=clip\nframeRate=10\nseqLength=40\nimWidth={SIZE[0]}\nimHeight={SIZE[1]}\n"
    )
    (folder / "gt" / "labels.txt").write_text("man\ndog\n")
    lines = [
        f"{frame + 1},{number},{x1},{y1},{x2 - x1},{y2 - y1},1,{number},1.0"
        for frame, _, number, (x1, y1, x2, y2) in _boxes()
    ]
    (folder / "gt" / "gt.txt").write_text("\n".join([*lines, "3,9,0,0,10,10,0,1,1.0"]) + "\n")
    return folder


def write_coco(path: Path) -> Path:
    """An image for every frame, those without a box too."""
    images = [
        {"id": 100 + k, "width": SIZE[0], "height": SIZE[1], "video_id": 7, "frame_id": k} for k in range(40)
    ]
    annotations = [
        {
            "id": place,
            "image_id": 100 + frame,
            "category_id": number,
            "track_id": number,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "iscrowd": 0,
        }
        for place, (frame, _, number, (x1, y1, x2, y2)) in enumerate(_boxes())
    ]
    document = {
        "videos": [{"id": 7, "name": "clip.mp4"}],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "man"}, {"id": 2, "name": "dog"}],
    }
    path.write_text(json.dumps(document))
    return path


def write_label_studio(path: Path) -> Path:
    """Key frames in percent and counted from 1, and two events on the timeline."""

    def key(frame: int, corners: tuple[float, ...], *, enabled: bool = True) -> dict[str, Any]:
        x1, y1, x2, y2 = corners
        width, height = SIZE
        return {
            "frame": frame + 1,
            "enabled": enabled,
            "rotation": 0,
            "x": x1 / width * 100,
            "y": y1 / height * 100,
            "width": (x2 - x1) / width * 100,
            "height": (y2 - y1) / height * 100,
            "time": 0.0,
        }

    man = [key(5, man_box(5)), key(25, man_box(25), enabled=False)]
    dog = [key(10, DOG_BOX), key(19, DOG_BOX, enabled=False), key(30, DOG_BOX)]
    results = [
        {"id": f"r{place}", "type": "videorectangle", "value": {"labels": [label], "sequence": keys}}
        for place, (label, keys) in enumerate((("man", man), ("dog", dog)))
    ]
    for label, first, last in (("barking", 10, 14), ("barking", 32, 36), ("waving", 6, 8)):
        ranges = [{"start": first + 1, "end": last + 1}]
        results.append(
            {"id": label, "type": "timelinelabels", "value": {"timelinelabels": [label], "ranges": ranges}}
        )
    results.append({"id": "c", "type": "choices", "value": {"choices": ["good"]}})
    document = [
        {
            "id": 1,
            "data": {"video": "/data/local-files/?d=films%2Fclip.mp4"},
            "annotations": [{"was_cancelled": True, "result": []}, {"result": results}],
        }
    ]
    path.write_text(json.dumps(document))
    return path
