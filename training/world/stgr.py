"""Rendered clips as an STGR DATA_ROOT: TRL's trainers read them on the path of real data.

    DATA_ROOT/json_data/STGR-SFT.json, STGR-RL.json
    DATA_ROOT/videos/proofworld/plain-0-3.mp4      and plain-0-3.png, one frame of it, for "Where is the ...?"

The frames of a clip lie on the grid of times that the small model's engine samples. What STGR has no form
for is not asked: a description, and questions that name a box, which would be in one family's numbers. Where
any of several frames proves an answer, a row names the one that its reasoning shows: STGR has no "one of
these".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from grounding import Claim, Piece, Span, format_claim, format_object, format_span, pieces
from grounding.errors import MediaError, printable
from training.data.converting.writing import for_rl, joined, rows_there, write_rows
from training.data.layout import ROW_FILES, SPLITS, Split, media_path
from training.data.rows import Corners, KeyFrame, Row
from training.world.happenings import happenings
from training.world.levels import LEVELS, SIDE_PX, LevelName, world
from training.world.pictures import Cutouts
from training.world.preview import write_scene
from training.world.questions import Item, ask
from training.world.questions.telling import COORDINATES, SEGMENT
from training.world.rendering import Renderer, scene_arrays, tensors
from training.world.scene import Scene, hidden_share, sample_scene
from video.drawing import write_png
from video.frames import Image

SOURCE = "proofworld"

STEP_S = 0.8
"""Between the frames of a clip: the small model looks at 1.25 a second."""

ASKED = (
    "dense", "track", "view", "flash", "show", "touch", "zone", "when-choice", "digit", "choice", "order",
    "first", "what", "absent",
)  # fmt: skip
"""What is asked about a clip; "where" is asked about a picture."""

PICTURE_SCALE = 8
"""A picture is so many times as large as a frame: pixels then hold a box as finely as thousandths do."""

_STREAM = 902_161
"""Keeps these seeds apart from those of evaluation and of the small model's own training."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question of the world, and the row that it became."""

    item: Item
    row: Row


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldClip:
    """A clip with its questions. `still` is the frame, at time 0, that the row about a picture shows."""

    name: str
    scene: Scene = field(repr=False)
    still: Scene = field(repr=False)
    asked: tuple[Asked, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written: clips, their rows in each list, and SFT rows by task."""

    root: Path
    clips: int
    rows: dict[Split, int]
    by_task: Counter[str]


def write_world(
    root: Path, *, clips: int, level: LevelName, seed: int, cutouts: Cutouts, add: bool, told: Told
) -> Written:
    """Make a DATA_ROOT of the first `clips` clips of a seed; more of them begin with the same.

    `add`: rows go beside those that are there, in place of their like. Both lists are written last, each
    whole, so that what is cut off leaves no row without its clip.

    Raises ValueError where `root` is no folder, or holds something and not `add`; MediaError where it can't
    be written.
    """
    before = _there(root, add=add)
    _make_folders(root)
    renderer = Renderer(cutouts)
    rows: list[Row] = []
    for number in range(clips):
        clip = world_clip(number, level=level, seed=seed, cutouts=cutouts)
        _write_media(clip, root, renderer=renderer)
        rows += [asked.row for asked in clip.asked]
        told(f"clip {number + 1} of {clips}: {len(clip.asked)} questions")
    counts: dict[Split, int] = {}
    for split in SPLITS:
        own = rows if split == "sft" else [made for row in rows if (made := for_rl(row)) is not None]
        write_rows(root / ROW_FILES[split], joined(before[split], own))
        counts[split] = len(own)
    return Written(root=root, clips=clips, rows=counts, by_task=Counter(row.task for row in rows))


def world_clip(number: int, *, level: LevelName, seed: int, cutouts: Cutouts) -> WorldClip:
    """Clip `number` of a level and a seed: equal on every machine."""
    rng = np.random.default_rng([_STREAM, LEVELS.index(level), seed, number])
    scene = on_grid(sample_scene(rng, world=world(level, "train"), cutouts=cutouts))
    still = _still(scene, int(rng.integers(len(scene.times_s))))
    name = f"{level}-{seed}-{number}"
    items = [ask(rng, scene, kind) for kind in ASKED]
    about_video = [item for item in items if item is not None and item.task != "visual QA"]
    asked = [Asked(item=item, row=_video_row(item, scene, name)) for item in about_video]
    where = ask(rng, still, "where")
    if where is not None:
        asked.append(Asked(item=where, row=_picture_row(where, name)))
    return WorldClip(name=name, scene=scene, still=still, asked=tuple(asked))


def on_grid(scene: Scene) -> Scene:
    """The same things with the same schedule, their frames STEP_S apart, and what happens then."""
    times_s = np.round(np.arange(len(scene.times_s)) * STEP_S, 3)
    centres = scene.paths.at(times_s)
    radii = scene.radii[:, None]
    hidden = hidden_share(np.concatenate([centres - radii, centres + radii], -1), scene.present)
    found = happenings(
        centres=centres,
        radii=scene.radii,
        masks=scene.masks,
        present=scene.present,
        hidden=hidden,
        flashing=scene.flashing,
        digits=scene.digits,
        zone=None if scene.zone is None else scene.zone * SIDE_PX,
    )
    return replace(scene, times_s=times_s, centres=centres, hidden=hidden, happenings=found)


def _still(scene: Scene, frame: int) -> Scene:
    """One frame of a scene, as a clip of its own."""
    return replace(scene.at(scene.times_s[[frame]]), times_s=np.zeros(1))


def _video_row(item: Item, scene: Scene, name: str) -> Row:
    assert item.task != "describe"
    told = pieces(item.reasoning, segment=SEGMENT, coordinates=COORDINATES).pieces
    claims = [piece for piece in told if isinstance(piece, Claim)]
    frames = {int(np.abs(scene.times_s - claim.time_s).argmin()): claim.time_s for claim in claims}
    return Row(
        id=_id(item, name),
        task=item.task,
        source=SOURCE,
        question=item.question,
        answer=item.answer,
        reasoning_process="".join(_text(piece) for piece in told),
        video_path=f"{SOURCE}/{name}.mp4",
        key_frames=tuple(KeyFrame(idx=frame, time=time_s) for frame, time_s in sorted(frames.items())),
        key_items={str(frame): _boxes(claims, time_s) for frame, time_s in frames.items()},
    )


def _picture_row(item: Item, name: str) -> Row:
    """Of a question where."""
    box, subject = item.truth.box, item.truth.answer
    assert box is not None and subject is not None
    size = (SIDE_PX * PICTURE_SCALE, SIDE_PX * PICTURE_SCALE)
    return Row(
        id=_id(item, name),
        task="visual QA",
        source=SOURCE,
        question=item.question,
        answer=format_object(subject, box, coordinates="pixels", frame_size=size),
        reasoning_process=item.reasoning,
        image_path=f"{SOURCE}/{name}.png",
        image_size=size,
    )


def _id(item: Item, name: str) -> str:
    return f"{SOURCE}-{name}: {item.kind}"


def _text(piece: Piece) -> str:
    """A piece of a reasoning as STGR's rows about videos have it: boxes 0..1 of the frame."""
    if isinstance(piece, Claim):
        return format_claim(piece, segment=SEGMENT, coordinates="relative-1")
    if isinstance(piece, Span):
        return format_span(piece, segment=SEGMENT)
    assert isinstance(piece, str), "in the world's reasonings every box has its name"
    return piece


def _boxes(claims: Sequence[Claim], time_s: float) -> dict[str, tuple[Corners, ...]]:
    """What is claimed at a time, by name."""
    return {
        claim.subject: tuple((box.x1, box.y1, box.x2, box.y2) for box in claim.boxes)
        for claim in claims
        if claim.time_s == time_s
    }


def _there(root: Path, *, add: bool) -> dict[Split, list[Row]]:
    if root.exists() and not root.is_dir():
        raise ValueError(f"{printable(root)} is a file: name a folder for the DATA_ROOT")
    if not add and root.is_dir() and any(root.iterdir()):
        raise ValueError(f"{printable(root)} is not empty: give --add to add to it, or another folder")
    return rows_there(root, add=add)


def _make_folders(root: Path) -> None:
    """All that are needed, before anything is drawn."""
    inside = (root / ROW_FILES["sft"], media_path(root, source=SOURCE, name=f"{SOURCE}/clip"))
    for folder in [path.parent for path in inside]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(
                folder, f"the folder can't be made ({error.strerror}); choose a place that can be written"
            ) from error


def _write_media(clip: WorldClip, root: Path, *, renderer: Renderer) -> None:
    video = media_path(root, source=SOURCE, name=f"{SOURCE}/{clip.name}.mp4")
    write_scene(clip.scene, video, renderer=renderer)
    if any(asked.row.is_picture for asked in clip.asked):
        write_png(_picture(clip.still, renderer), video.with_suffix(".png"))


def _picture(still: Scene, renderer: Renderer) -> Image:
    made = renderer(tensors(scene_arrays([still], things=len(still.names))))[0, 0]
    small = made.permute(1, 2, 0).numpy()
    large: Image = np.repeat(np.repeat(small, PICTURE_SCALE, axis=0), PICTURE_SCALE, axis=1)
    return large
