"""Examples in a seeded order, epoch after epoch, from wherever it was left off."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from grounding.errors import TrainingError
from training.data.examples import Example, Reader, Unusable

_LOG = logging.getLogger(__name__)

MAX_FAILED = 0.05
"""The share of examples that may fail on the way."""

FEW = 100
"""Examples before which the share says nothing yet: so many failures are judged as if of these."""


class Stream:
    """An iterator of examples that knows where it is.

    Each epoch has an order of its own, decided by `seed`. It is dealt out to `shards` (ranks times workers
    each), and what doesn't go up evenly is left to another epoch, so that all shards have equally many. An
    example that can't be read is passed over, counted in `skipped` and logged; the shard then takes its next
    one. Without `epochs` it never ends, which is what keeps ranks in step: stop it by a number of steps.

    `state_dict` taken between two examples gives, loaded, exactly those that would have followed.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        seed: int,
        epochs: int | None = None,
        shard: int = 0,
        shards: int = 1,
        max_failed: float = MAX_FAILED,
    ) -> None:
        """Raises ValueError for a shard that there isn't, or fewer rows than shards."""
        if not 0 <= shard < shards:
            raise ValueError(f"shard must be from 0 to {shards - 1}, not {shard}")
        if len(reader) < shards:
            raise ValueError(f"{len(reader)} rows can't be dealt out to {shards} shards: use fewer processes")
        self.skipped: Counter[str] = Counter()
        self._reader, self._seed, self._epochs = reader, seed, epochs
        self._shard, self._shards = shard, shards
        self._max_failed = max_failed
        self._epoch = self._position = self._given = 0

    @property
    def epoch(self) -> int:
        """Which epoch is read, from 0 on."""
        return self._epoch

    def __len__(self) -> int:
        """Examples of this shard in one epoch, those among them that can't be read."""
        return len(self._reader) // self._shards

    def __iter__(self) -> Iterator[Example]:
        """From where it stands on. Raises TrainingError when too many examples can't be read."""
        while self._epochs is None or self._epoch < self._epochs:
            order = self._order()
            given_before = self._given
            was_whole = self._position == 0
            while self._position < len(order):
                place = int(order[self._position])
                example = self._read(place)
                self._position += 1
                if example is not None:
                    self._given += 1
                    yield example
            if was_whole and self._given == given_before:
                raise TrainingError(f"no example of a whole epoch could be read ({self._reasons()})")
            self._epoch, self._position = self._epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Where it stands: plain numbers and texts, for JSON."""
        return {
            "seed": self._seed,
            "data": self._reader.data.fingerprint,
            "shard": [self._shard, self._shards],
            "epoch": self._epoch,
            "position": self._position,
            "given": self._given,
            "skipped": dict(self.skipped),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there. Raises ValueError for a state of other data, another seed or another dealing."""
        own = self.state_dict()
        other = [name for name in ("seed", "data", "shard") if state[name] != own[name]]
        if other:
            raise ValueError(
                f"the stream's state is of another {' and '.join(other)}: resume with what it was begun with"
            )
        self._epoch, self._position, self._given = state["epoch"], state["position"], state["given"]
        self.skipped = Counter(state["skipped"])

    def _order(self) -> Any:
        """Places of this shard's rows in this epoch: the same wherever and whenever it is asked for."""
        generator = np.random.Generator(np.random.PCG64([self._seed, self._epoch]))
        dealt = generator.permutation(len(self._reader))[: len(self) * self._shards]
        return dealt[self._shard :: self._shards]

    def _read(self, place: int) -> Example | None:
        try:
            return self._reader.read(place)
        except Unusable as error:
            self.skipped[error.reason] += 1
            _LOG.warning("row %d is passed over: %s", self._reader.data.indices[place], error)
        failed = self.skipped.total()
        if failed > self._max_failed * max(self._given + failed, FEW):
            raise TrainingError(
                f"{failed} of {self._given + failed} examples could not be read ({self._reasons()}): over "
                f"a share of {self._max_failed:g}; run `proofreel train data check --media` on the data"
            )
        return None

    def _reasons(self) -> str:
        return ", ".join(f"{reason} {count}" for reason, count in self.skipped.most_common())
