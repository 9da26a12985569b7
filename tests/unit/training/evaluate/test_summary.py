"""Records made into measures: what counts towards which, and whole chains alone towards mAM and mLGM."""

from __future__ import annotations

from dataclasses import replace

import pytest

from training.evaluate.metrics import am, lgm
from training.evaluate.records import Record
from training.evaluate.summary import CHAIN, compare, summarise

KINDS_OF = {"acc": ("digit", "what"), "tiou": ("flash",), "viou": ("where", "track")}
LINKS = {"what": "what", "when-1": "flash", "where-1": "track", "where-2": "track", "when-2": "when-there"}


def record(
    number: int, kind: str, *, link: str | None = None, scene: int | None = None, **scores: float
) -> Record:
    common = {"parsed": 1.0, "claims": 1.0, "abstained": 0.0, "abstains": 0.0, "abstained_rightly": 0.0}
    return Record(
        id=f"q{number}", scene_id=f"clip{number if scene is None else scene}", kind=kind, link=link,
        item=f"{number:x}", task="describe", question="?", truth={}, reply="", scores={**common, **scores},
    )  # fmt: skip


def chain(scene: int, values: dict[str, float]) -> list[Record]:
    """A clip's five questions: `values` by link."""
    measure = {"what": "acc", "when-1": "tiou", "when-2": "tiou", "where-1": "viou", "where-2": "viou"}
    return [
        record(100 * scene + place, LINKS[link], link=link, scene=scene, **{measure[link]: values[link]})
        for place, link in enumerate(CHAIN)
    ]


FIRST = {"what": 1.0, "when-1": 0.6, "where-1": 0.5, "where-2": 0.3, "when-2": 0.4}
SECOND = {"what": 0.0, "when-1": 0.2, "where-1": 0.1, "where-2": 0.1, "when-2": 0.0}


def test_the_chains_make_mam_mlgm_and_joint_of_data_set_means() -> None:
    found = summarise([*chain(1, FIRST), *chain(2, SECOND)], kinds_of=KINDS_OF, seed=0).metrics
    assert found["mam"] == pytest.approx((float(am(0.5, 0.4, 0.3)) + float(am(0.5, 0.2, 0.2))) / 2)
    assert found["mlgm"] == pytest.approx((float(lgm(0.5, 0.4, 0.3)) + float(lgm(0.5, 0.2, 0.2))) / 2)
    assert found["joint"] == 0.5
    assert (found["acc"], found["tiou"], found["viou"]) == pytest.approx((0.5, 0.4, 0.25))


def test_a_chain_that_is_cut_off_is_no_chain_and_its_questions_still_count() -> None:
    cut = [*chain(1, FIRST), *chain(2, SECOND)[:3]]
    found = summarise(cut, kinds_of=KINDS_OF, seed=0).metrics
    assert (found["joint"], found["chain_acc"]) == (1.0, 1.0)
    assert found["acc"] == 0.5


def test_only_kinds_whose_question_does_not_give_the_answer_away_count() -> None:
    records = [
        record(1, "digit", acc=1.0),
        record(2, "where", acc=1.0, viou=0.5),
        record(3, "digit", acc=0.0),
    ]
    found = summarise(records, kinds_of=KINDS_OF, seed=0)
    assert (found.metrics["acc"], found.metrics["viou"]) == (0.5, 0.5)
    assert found.kinds["where"]["metrics"] == pytest.approx(
        {"acc": 1.0, "viou": 0.5, "claims_per_answer": 1.0, "parse_rate": 1.0}
    )
    assert found.kinds["digit"]["n"] == 2
    assert found.metrics["mam"] is None and found.intervals["mam"] is None


def test_shares_are_of_all_claims_and_not_means_of_shares() -> None:
    records = [record(1, "digit", timed=9.0, late=0.0), record(2, "digit", timed=1.0, late=1.0)]
    assert summarise(records, kinds_of=KINDS_OF, seed=0).metrics["late_claims"] == pytest.approx(0.1)


def test_abstention_has_a_precision_and_a_recall() -> None:
    rightly = {"abstained": 1.0, "abstains": 1.0, "abstained_rightly": 1.0}
    records = [
        record(1, "absent", **rightly),
        record(2, "digit", abstained=1.0),
        record(3, "absent", abstains=1.0),
        record(4, "absent", abstains=1.0),
    ]
    found = summarise(records, kinds_of=KINDS_OF, seed=0).metrics
    assert (found["abstention_precision"], found["abstention_recall"]) == pytest.approx((0.5, 1 / 3))


def test_two_runs_are_compared_item_by_item() -> None:
    old = [record(n, "digit", acc=float(n % 2)) for n in range(40)]
    new = [replace(r, scores={**r.scores, "acc": 1.0}) if n < 10 else r for n, r in enumerate(old)]
    found = compare(new, old, kinds_of=KINDS_OF, seed=0)
    assert found.metrics["acc"] == pytest.approx(5 / 40)
    low, high = found.intervals["acc"] or (0.0, 0.0)
    assert 0.0 < low < 5 / 40 < high
    assert found.kinds["digit"]["metrics"]["acc"] == pytest.approx(5 / 40)
    assert found.metrics["tiou"] is None
