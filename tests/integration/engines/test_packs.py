"""What the packs promise of the default engine: which questions it answers, and where it abstains."""

import pytest

from engines.contract import Question
from engines.spotter.engine import Spotter
from engines.spotter.understanding import understand
from indexer.packs.reading import read_pack

BEYOND_IT = {
    "safety": {
        "person-on-forks", "no-helmet", "no-vest", "person-down", "fall", "fire-or-smoke", "spill",
        "blocked-exit",
    },
    "support": {"spinner", "frozen"},
}  # fmt: skip


@pytest.mark.parametrize("name", BEYOND_IT)
def test_the_default_engine_answers_what_the_pack_says_it_does_and_abstains_from_the_rest(name: str) -> None:
    matcher = Spotter(num_threads=1).matcher
    abstained = {
        row.name
        for row in read_pack(name).standing()
        if understand(Question(text=row.text, task=row.task), matcher=matcher).reason is not None  # type: ignore[arg-type]
    }
    assert abstained == BEYOND_IT[name]
