"""`proofreel evaluate proofworld`: engines that know, don't look, or abstain get what they deserve."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from typer.testing import CliRunner

from engines.contract import ClipSpec, Question, Reply
from grounding import Box, Claim, Coordinates, Span, format_claim, format_completion
from grounding.errors import EngineError
from grounding.geometry import iou
from proofreel.cli import app
from tests import tiny_qwen
from training.evaluate.controls import PAINT
from training.evaluate.proofworld import KINDS_OF, Request, asked, run
from training.evaluate.records import Record, read_records
from training.evaluate.summary import summarise
from training.world.items import Asked
from training.world.pictures import NO_CUTOUTS
from video.frames import Clip

CITED = Box(0.25, 0.25, 0.5, 0.5)


class Told:
    """An engine that was told every right answer, and remembers what it was shown."""

    name = "told"
    fingerprint = "0" * 64
    coordinates: Coordinates = "relative-1000"
    spec = ClipSpec(window_s=100.0, overlap_s=0.0, rate_hz=1.0, max_frames=100, max_side=128, clips_at_once=3)

    def __init__(self, items: Sequence[Asked]) -> None:
        self._right = {(i.scene.look_seed, i.question): i.item.completion for i in items}
        self._lock = threading.Lock()
        self.shown: dict[str, list[Clip]] = {}
        self.questions: list[int] = []

    def answer(self, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
        with self._lock:
            self.shown.setdefault(str(clip.path), []).append(clip)
            self.questions.append(len(questions))
        seed = int(str(clip.path).rsplit("-", 1)[1])
        return [Reply(text=self.text(seed, question)) for question in questions]

    def text(self, seed: int, question: Question) -> str:
        return self._right[seed, question]

    def close(self) -> None: ...


class Pointing(Told):
    """Points at one place, whatever the question, and answers with what it was told."""

    def text(self, seed: int, question: Question) -> str:
        claim = Claim(subject="thing", boxes=(CITED,), time_s=2.0)
        proof = format_claim(claim, segment=Span(0.0, 100.0), coordinates="relative-1000")
        return format_completion(reasoning=proof, answer="7")


def request(items: int = 40, **how: Any) -> Request:
    return Request(**{"items": items, "seed": 3, "level": "plain", "split": "iid", **how})


def items_of(wanted: Request) -> list[Asked]:
    return asked(wanted, cutouts=NO_CUTOUTS)


def run_of(engine: Told, items: list[Asked], wanted: Request) -> list[Record]:
    return run(engine, items, request=wanted, cutouts=NO_CUTOUTS)


@pytest.mark.parametrize("level", ["plain", "hard"])
def test_an_engine_that_was_told_everything_has_full_marks_in_everything(level: str) -> None:
    wanted = request(items=60, level=level)
    items = items_of(wanted)
    engine = Told(items)
    records = run_of(engine, items, wanted)
    found = summarise(records, kinds_of=KINDS_OF, seed=0).metrics
    full = ("acc", "tiou", "viou", "am", "mam", "joint", "evidence_recall", "parse_rate")
    assert {name: found[name] for name in full} == pytest.approx(dict.fromkeys(full, 1.0))
    assert (found["abstention_precision"], found["abstention_recall"]) == (1.0, 1.0)
    assert (found["late_claims"], found["lgm"]) == (0.0, pytest.approx(6.9, abs=0.1))
    assert [record.id for record in records] == [item.id for item in items]
    # All five questions of a chain came with its clip.
    assert sorted(set(engine.questions)) == [1, 5]
    assert sum(engine.questions) == len(items)


def test_a_smaller_run_asks_the_beginning_of_a_larger_one() -> None:
    assert [i.id for i in items_of(request(10))] == [i.id for i in items_of(request(40))][:10]


def test_blind_and_shuffled_change_what_is_shown_and_nothing_else() -> None:
    items = items_of(request(16))
    shown = {}
    for control in (None, "blind", "shuffled"):
        engine = Told(items)
        run_of(engine, items, request(16, control=control))
        shown[control] = engine.shown
    for path, (clip,) in shown[None].items():
        (black,), (mixed,) = shown["blind"][path], shown["shuffled"][path]
        assert black.images.max() == 0 < clip.images.max()
        np.testing.assert_array_equal(mixed.times_s, clip.times_s)
        assert not (mixed.images == clip.images).all()
        np.testing.assert_array_equal(
            np.sort(mixed.images.sum((1, 2, 3))), np.sort(clip.images.sum((1, 2, 3)))
        )


@pytest.mark.parametrize("control", ["mask-cited", "mask-random"])
def test_a_mask_asks_again_with_what_was_pointed_at_painted_over_or_as_much_elsewhere(control: str) -> None:
    wanted = request(12, control=control, kinds=("digit",))
    items = items_of(wanted)
    engine = Pointing(items)
    records = run_of(engine, items, wanted)
    assert all(record.masked for record in records)
    for first, again in engine.shown.values():
        changed = (first.images != again.images).any(axis=-1)
        cited = np.zeros_like(changed)
        cited[np.abs(first.times_s - 2.0) <= 1.0, 32:64, 32:64] = True
        assert (again.images[changed] == PAINT).all()
        if control == "mask-cited":
            assert not (changed & ~cited).any()
            assert changed.sum() > 0.9 * cited.sum()
        else:
            assert not (changed & cited).any()
            assert 0.9 * cited.sum() < changed.sum() < 1.1 * cited.sum()


def test_where_nothing_is_pointed_at_a_mask_changes_nothing_and_says_so() -> None:
    wanted = request(6, control="mask-cited", kinds=("absent",))
    items = items_of(wanted)
    engine = Told(items)
    assert not any(record.masked for record in run_of(engine, items, wanted))
    for first, again in engine.shown.values():
        np.testing.assert_array_equal(first.images, again.images)


def test_an_engine_that_leaves_a_question_out_is_told_of() -> None:
    class Short(Told):
        def answer(self, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
            return super().answer(clip, questions)[1:]

    items = items_of(request(3))
    with pytest.raises(EngineError, match="engine told gave 0 replies to 1 questions"):
        run_of(Short(items), items, request(3))


def evaluated(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["evaluate", "proofworld", *arguments, "--json"])
    assert done.exit_code == 0, done.exception
    document: dict[str, Any] = json.loads(done.stdout)
    schema = json.loads((files("training") / "schemas/evaluate-1.schema.json").read_text())
    jsonschema.validate(document, schema)
    return document


@pytest.fixture(scope="module")
def spotted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The spotter's document, and its records."""
    out = tmp_path_factory.mktemp("spotted") / "run.jsonl"
    return evaluated("--items", "20", "--seed", "1", "--out", str(out)), out


def test_the_spotter_abstains_from_shapes_and_the_document_follows_its_schema(
    spotted: tuple[dict[str, Any], Path],
) -> None:
    found, out = spotted
    assert (found["suite"], found["n"], found["engine"]) == ("proofworld", 20, "spotter")
    assert found["metrics"]["abstention_recall"] == found["metrics"]["parse_rate"] == 1.0
    assert 0.0 < found["metrics"]["abstention_precision"] < 0.2
    assert found["metrics"]["viou"] == 0.0
    assert sum(kind["n"] for kind in found["kinds"].values()) == 20
    records = read_records(out)
    assert len(records) == 20 and all(record.truth["task"] == record.task for record in records)


def test_a_checkpoint_is_evaluated_with_boxes_in_its_own_pixels(tmp_path: Path) -> None:
    first, *_ = items_of(request(1, kinds=("where",)))
    truth = first.item.truth
    assert truth.box is not None
    # The network is fed frames of 140 px: this is their right half, full height.
    answer = f"<think></think>\n<answer><obj>{truth.answer}</obj><box>[70,0,140,140]</box></answer>"
    checkpoint = tiny_qwen.save_forced(tmp_path / "forced", "qwen2_5_vl", answer=answer)
    out = tmp_path / "run.jsonl"
    found = evaluated(
        "--items", "6", "--seed", "3", "--kind", "where", "--engine", "transformers",
        "--model", str(checkpoint), "--out", str(out),
    )  # fmt: skip
    assert found["model"] == str(checkpoint) and found["asked_kinds"] == ["where"]
    assert found["metrics"]["parse_rate"] == 1.0
    expected = iou(Box(0.5, 0.0, 1.0, 1.0), truth.box)
    assert expected > 0.02
    assert read_records(out)[0].scores["viou"] == pytest.approx(expected)


def test_two_runs_on_the_same_questions_are_compared(
    spotted: tuple[dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, base = spotted
    monkeypatch.chdir(base.parent)  # a relative path is absolute in the document
    found = evaluated("--items", "20", "--seed", "1", "--control", "blind", "--against", base.name)
    assert (found["control"], found["against"]["file"]) == ("blind", str(base))
    assert found["against"]["differences"]["acc"] == 0.0  # black frames or not, it abstains
    assert found["against"]["intervals"]["acc"] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--items", "7", "--seed", "1"], "holds 20 items and this run has 7"),
        (["--items", "20", "--seed", "9"], "is of other items"),
    ],
)
def test_runs_on_other_questions_are_refused(
    arguments: list[str], said: str, spotted: tuple[dict[str, Any], Path]
) -> None:
    _, base = spotted
    done = CliRunner().invoke(app, ["evaluate", "proofworld", *arguments, "--against", str(base)])
    assert isinstance(done.exception, ValueError) and said in str(done.exception)


def test_people_get_tables(spotted: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    _, base = spotted
    out = tmp_path / "blind.jsonl"
    done = CliRunner().invoke(
        app,
        ["evaluate", "proofworld", "--items", "20", "--seed", "1", "--control", "blind", "--out", str(out),
         "--against", str(base)],
    )  # fmt: skip
    assert done.exit_code == 0, done.exception
    assert "proofworld plain iid, seed 1, control blind: 20 questions about" in done.stdout
    for word in ("m_tIoU", "by kind", "this run minus that one", "+0.000", str(base), str(out)):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["moonworld"], "no suite named 'moonworld'; there is: proofworld"),
        (["proofworld", "--items", "0"], "--items must be at least 1, not 0"),
        (["proofworld", "--seed", "-1"], "--seed must not be below 0, not -1"),
        (["proofworld", "--engine", "transformers"], "engine transformers needs --model"),
        (["proofworld", "--engine", "oracle"], "no engine named 'oracle'; there are: spotter"),
        (["proofworld", "--split", "objects"], "--level hard"),
        (["proofworld", "--kind", "juggle"], "no kind of question named 'juggle'; there are: where,"),
        (["proofworld", "--against", "gone.jsonl"], "gone.jsonl: can't read the records"),
        (["proofworld", "--out", "no/run.jsonl"], "no/run.jsonl: can't write records there"),
        (["proofworld", "--cutouts", "/nowhere"], "no cut-outs"),
        (["proofworld", "--clips-at-once", "2"], "leave --clips-at-once out"),
    ],
)
def test_wrong_input_is_said_before_anything_is_asked(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["evaluate", *arguments])
    assert isinstance(done.exception, ValueError) and said in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_ends_with_exit_code_two_and_one_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proofreel", "evaluate", "moonworld"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "proofreel: no suite named 'moonworld'; there is: proofworld\n"
