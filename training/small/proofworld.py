"""The world of `training.world` as a source of the small model's training."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from training.small.model import Cut
from training.small.shape import TokenIds
from training.small.source import Batch, Batches, Renderer, Source
from training.small.stages import Lesson
from training.world import batches, rendering, words
from training.world.levels import LevelName, world
from training.world.pictures import Cutouts, installed_cutouts, load_cutouts
from training.world.questions import KINDS

TOKENS = TokenIds(
    vocabulary=len(words.VOCABULARY),
    pad=words.PAD_ID,
    eos=words.EOS_ID,
    vision_start=words.VISION_START_ID,
    vision_end=words.VISION_END_ID,
    image=words.IMAGE_ID,
    video=words.VIDEO_ID,
    box_open=words.ID["<box>["],
    box_close=words.ID["]</box>"],
)
FINITE = 1_000_000
"""The stage whose clips are those of every stage that has a number of them."""

assert TOKENS.first_number == words.FIRST_NUMBER_ID


class InTurn:
    """Streams in turn: batch k is batch k of one of them."""

    def __init__(self, *streams: Batches) -> None:
        self._streams = streams

    def __getitem__(self, k: int) -> Batch:
        return self._streams[k % len(self._streams)][k]


def found_cutouts(path: Path | None) -> Cutouts:
    """The cut-outs at a path, or those installed. Raises ValueError for a bad path."""
    return installed_cutouts() if path is None else load_cutouts(path)


class Again:
    """The first batches of a stream, over and over."""

    def __init__(self, stream: Batches, count: int) -> None:
        self._stream, self._count = stream, count

    def __getitem__(self, k: int) -> Batch:
        return self._stream[k % self._count]


def proofworld(found: Cutouts) -> Source:
    """The world, with these cut-outs in it."""

    def of_level(level: LevelName, lesson: Lesson, seed: int) -> Batches:
        stage = lesson.stage
        stream = batches.Batches(
            world=world(level, "train", frames=stage.frames),
            mix=stage.mix,
            size=stage.batch,
            text_length=stage.text_len,
            seed=seed,
            stage=lesson.number if stage.clips is None else FINITE,
            cutouts=found,
            shown=stage.shown,
            short_share=1.0 if stage.short_share is None else stage.short_share,
        )
        stream.check_room()
        return stream

    def batches_of(lesson: Lesson, seed: int) -> Batches:
        stage = lesson.stage
        if stage.level == "both":
            hard, plain = of_level("hard", lesson, seed), of_level("plain", lesson, seed)
            made: Batches = InTurn(hard, hard, plain)
        else:
            made = of_level(stage.level, lesson, seed)
        return made if stage.clips is None else Again(made, stage.clips // stage.batch)

    def renderer(device: torch.device) -> Renderer:
        return rendering.Renderer(found, device=device)

    return Source(
        tokens=TOKENS,
        kinds=KINDS,
        cut=Cut(),
        fingerprint=_fingerprint(found),
        batches=batches_of,
        renderer=renderer,
        write_tokenizer=words.write_tokenizer,
    )


def _fingerprint(cutouts: Cutouts) -> str:
    """Of the pictures, and of the code that makes clips and questions."""
    digest = hashlib.sha256(cutouts.rgb.tobytes())
    room = Path(batches.__file__).parent
    for file in sorted(room.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
