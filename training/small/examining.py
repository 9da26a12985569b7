"""The world as an examiner: its questions, its rewards, its language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from training.small.gspo import Examiner
from training.small.practice import Practice
from training.small.quiz import Quiz
from training.small.scoring import Scoring
from training.world.pictures import Cutouts
from training.world.words import decode


@contextmanager
def examiner_of(config: Practice, cutouts: Cutouts) -> Iterator[Examiner]:
    """The examiner of a practice. Raises ValueError for a mix or for rewards that there are not."""
    quiz = Quiz(practice=config, cutouts=cutouts)
    quiz.check()
    scoring = Scoring(config)
    try:
        yield Examiner(
            quiz=quiz,
            score=scoring,
            components=scoring.components,
            weights=scoring.weights,
            decode=decode,
        )
    finally:
        scoring.close()
