"""The suite `proofworld`: clips with exact truth, made on the spot, and what any engine says of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TextIO

import numpy as np

from engines.contract import Engine, Reply
from grounding.evidence import Answer
from training.evaluate.asking import Job, ask_each, read
from training.evaluate.controls import MASKS, Control, blind, masked, shuffled
from training.evaluate.records import Record, item_hash
from training.evaluate.scoring import scores
from training.rewards.trl import truth_column
from training.world.items import CHAIN, Asked, clip_of, questions
from training.world.levels import LevelName, SplitName
from training.world.pictures import Cutouts
from training.world.questions import KINDS
from training.world.rendering import Renderer
from video.frames import Clip

KINDS_OF: Mapping[str, tuple[str, ...]] = {
    "acc": ("digit", "choice", "order", "first", "what", "when-choice", "absent", "dense", "describe"),
    "tiou": ("view", "flash", "show", "touch", "zone"),
    "viou": ("where", "dense", "track"),
}
"""What counts towards Acc, m_tIoU and m_vIoU of all items: not where the question gives the answer away (the
name of what is sought, a span among four, the boxes for a span)."""

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which questions are asked, and what is done to their clips. `kinds` empty: all of the level."""

    items: int
    seed: int
    level: LevelName
    split: SplitName
    kinds: tuple[str, ...] = ()
    control: Control | None = None

    def __post_init__(self) -> None:
        if self.items < 1:
            raise ValueError(f"--items must be at least 1, not {self.items}")
        if self.seed < 0:
            raise ValueError(f"--seed must not be below 0, not {self.seed}")
        for kind in self.kinds:
            if kind not in (*KINDS, CHAIN):
                raise ValueError(
                    f"no kind of question named {kind!r}; there are: {', '.join((*KINDS, CHAIN))}"
                )


def asked(request: Request, *, cutouts: Cutouts) -> list[Asked]:
    """The questions of a request. Raises ValueError for what the level or its pictures don't have."""
    return list(
        questions(
            level=request.level,
            split=request.split,
            seed=request.seed,
            count=request.items,
            cutouts=cutouts,
            kinds=request.kinds or None,
        )
    )


def run(
    engine: Engine,
    items: list[Asked],
    *,
    request: Request,
    cutouts: Cutouts,
    out: TextIO | None = None,
    told: Told = lambda done: None,
) -> list[Record]:
    """Ask an engine, in order. Each record goes to `out` as it comes; `told` hears how many there are."""
    renderer = Renderer(cutouts)
    records: list[Record] = []
    for item, clip, reply, was_masked in _replies(engine, items, request, renderer):
        records.append(record(item, reply.text, read(engine, clip, reply), masked=was_masked))
        if out is not None:
            print(records[-1].line, file=out, flush=True)
        told(len(records))
    return records


def record(item: Asked, text: str, answer: Answer, *, masked: bool | None = None) -> Record:
    """What came of a question: `answer` is the reply `text`, parsed in seconds of the clip."""
    truth = item.item.truth
    return Record(
        id=item.id,
        scene_id=item.scene_id,
        kind=item.item.kind,
        link=item.link,
        item=item_hash(item.item.question, truth),
        task=truth.task,
        question=item.item.question,
        truth=json.loads(truth_column(truth)),
        reply=text,
        scores=scores(text, answer, truth),
        masked=masked,
    )


Answered = tuple[Asked, Clip, Reply, bool | None]


def _replies(engine: Engine, items: list[Asked], request: Request, renderer: Renderer) -> Iterator[Answered]:
    """Each question with the clip that was shown at last, its reply, and whether a mask found its place."""
    first = ask_each(engine, _jobs(items, request, renderer))
    if request.control not in MASKS:
        for of_clip, clip, replies in first:
            for item, reply in zip(of_clip, replies, strict=True):
                yield item, clip, reply, None
        return
    for (item, has_mask), clip, (reply,) in ask_each(engine, _masked_jobs(engine, first, request)):
        yield item, clip, reply, has_mask


def _jobs(items: list[Asked], request: Request, renderer: Renderer) -> Iterator[Job[list[Asked]]]:
    """Every clip with all that is asked about it."""
    for scene_id, group in groupby(items, key=lambda item: item.scene_id):
        of_clip = list(group)
        clip = clip_of(of_clip[0].scene, renderer)
        if request.control == "blind":
            clip = blind(clip)
        elif request.control == "shuffled":
            clip = shuffled(clip, rng=_rng(request.seed, scene_id))
        yield of_clip, clip, [item.question for item in of_clip]


def _masked_jobs(
    engine: Engine, first: Iterator[tuple[list[Asked], Clip, list[Reply]]], request: Request
) -> Iterator[Job[tuple[Asked, bool]]]:
    """Every question again, on the clip without what the first answer to it pointed at."""
    for of_clip, clip, replies in first:
        for item, reply in zip(of_clip, replies, strict=True):
            claims = read(engine, clip, reply).claims
            rng = None if request.control == "mask-cited" else _rng(request.seed, item.id)
            yield (item, bool(claims)), masked(clip, claims, rng=rng), [item.question]


def _rng(seed: int, name: str) -> np.random.Generator:
    """Randomness that belongs to a clip or question, whatever else is asked."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return np.random.default_rng(list(digest[:8]))
