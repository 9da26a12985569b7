"""Questions of the world: each has one right answer, and the answer proves itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from grounding.evidence import Answer, Claim
from grounding.grammar import parse
from tests.worlds import scenes, write_stamps
from training.world.batches import Batches
from training.world.items import CHAIN, chain, questions
from training.world.levels import LevelName, SplitName, world
from training.world.names import KINDS as NAMED
from training.world.names import is_held_out
from training.world.pictures import NO_CUTOUTS, load_cutouts
from training.world.questions import KINDS, Item, ask
from training.world.questions.telling import SEGMENT
from training.world.rendering import Renderer, scene_arrays, tensors
from training.world.scene import Scene, sample_scene


def asked(kind: str) -> Iterator[tuple[Scene, Item]]:
    rng = np.random.default_rng(1)
    for level in ("plain", "hard"):
        for scene in scenes(level):
            item = ask(rng, scene, kind)
            if item is not None:
                yield scene, item


def read(item: Item) -> Answer:
    return parse(item.completion, segment=SEGMENT, coordinates="relative-1000")


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_in_the_grammar_and_says_the_truth(kind: str) -> None:
    some = list(asked(kind))
    assert len(some) >= 5, "the world holds too few of these to learn them"
    for _, item in some:
        answer = read(item)
        assert answer.problems == ()
        assert answer.abstained == item.truth.abstains
        if kind == "describe":
            assert tuple(s.span for s in answer.statements if s.span) == item.truth.spans
        else:
            assert answer.spans == item.truth.spans
        assert answer.box == item.truth.box
        if item.truth.task in ("temporal QA (MCQ)", "General video QA MCQ"):
            assert answer.letter == item.truth.answer


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "absent"])
def test_every_claim_of_an_answer_is_evidence_of_its_truth(kind: str) -> None:
    for _, item in asked(kind):
        claims = read(item).claims
        assert set(claims) <= set(item.truth.evidence)
        assert claims or item.truth.box is not None
        groups = item.truth.groups or tuple(range(len(item.truth.evidence)))
        proved = {g for c, g in zip(item.truth.evidence, groups, strict=True) if c in claims}
        if item.truth.box is None:
            assert proved == set(groups), "some of what the answer rests on is not shown"


def test_evidence_lies_where_the_thing_is_and_can_be_seen() -> None:
    for kind in ("digit", "flash", "track", "order"):
        for scene, item in asked(kind):
            for claim in item.truth.evidence:
                assert seen(scene, claim)


def seen(scene: Scene, claim: Claim) -> bool:
    thing = scene.names.index(claim.subject)
    frame = int(np.abs(scene.times_s - claim.time_s).argmin())
    box = claim.boxes[0]
    off = np.abs(np.array([box.x1, box.y1, box.x2, box.y2]) - scene.boxes[thing, frame]).max()
    return bool(scene.visible[thing, frame]) and off < 0.002 and scene.times_s[frame] == claim.time_s


def test_an_order_question_has_another_digit_on_the_other_side_of_its_anchor() -> None:
    pattern = re.compile(r"Which digit does the (.+) show (after|before) the (.+) (flashes|appears|leaves)\?")
    count = 0
    for scene, item in asked("order"):
        found = pattern.fullmatch(item.question)
        assert found is not None
        subject = scene.names.index(found[1])
        digits = {h.digit for h in scene.happenings if h.verb == "show" and h.thing == subject}
        assert len(digits) > 1 and item.truth.answer in {str(d) for d in digits}
        count += 1
    assert count > 20


def test_an_option_question_holds_the_right_answer_once_under_each_letter_about_as_often() -> None:
    letters = Counter(item.truth.answer for _, item in asked("choice"))
    assert set(letters) == set("ABCD")
    for _, item in asked("choice"):
        shown = re.findall(r"([A-D])\. digit (\d)", item.question)
        assert len({digit for _, digit in shown}) == 4


def test_all_that_is_in_view_is_listed_however_much_of_it_is_covered() -> None:
    pattern = re.compile(r"List everything ?(\w*) at ([\d.]+)s\.")
    count = 0
    for scene, item in asked("dense"):
        found = pattern.fullmatch(item.question)
        assert found is not None
        frame = int(np.abs(scene.times_s - float(found[2])).argmin())
        in_view = {name for name, there in zip(scene.names, scene.present[:, frame], strict=True) if there}
        wanted = {name for name in in_view if name.startswith(f"{found[1]} " if found[1] else "")}
        assert {claim.subject for claim in item.truth.evidence} == wanted
        count += bool(found[1])
    assert 20 < count < 100


@pytest.mark.parametrize("kind", ["view", "flash", "show", "when-there", "when-choice"])
def test_it_can_be_seen_when_what_is_asked_about_begins_and_ends(kind: str) -> None:
    for scene, item in asked(kind):
        (span,) = item.truth.spans
        thing = scene.names.index(item.truth.evidence[0].subject)
        first, last = (int(np.abs(scene.times_s - t).argmin()) for t in (span.start_s, span.end_s))
        around = range(max(first - 1, 0), min(last + 2, len(scene.times_s)))
        border = [f for f in around if f not in range(first + 1, last)]
        assert all(scene.hidden[thing, f] < 0.5 for f in border if scene.present[thing, f])


def test_where_the_options_lie_does_not_tell_which_stretch_is_the_true_one() -> None:
    for scene, item in asked("when-choice"):
        begun = re.findall(r"[A-D]\. From ([\d.]+)s", item.question)
        frames = sorted(int(np.abs(scene.times_s - float(time_s)).argmin()) for time_s in begun)
        assert len(frames) == 4
        assert min(b - a for a, b in pairwise(frames)) >= 2, "one that lies beside another would be wrong"


@pytest.mark.parametrize("kind", ["digit", "order", "show", "what", "track"])
def test_a_digit_that_is_asked_about_looks_like_no_other_where_it_is_pointed_at(kind: str) -> None:
    renderer, count = Renderer(NO_CUTOUTS), 0
    for scene, item in asked(kind):
        claims = [c for c in read(item).claims if digit_of(scene, c) >= 0]
        if "digit" not in item.question or not claims:
            continue
        differences = [least_difference(scene, claim, renderer) for claim in claims]
        assert max(differences) >= 3, f"{item.question} {item.completion}"
        count += 1
    assert count >= 10


def digit_of(scene: Scene, claim: Claim) -> int:
    thing, frame = scene.names.index(claim.subject), int(np.abs(scene.times_s - claim.time_s).argmin())
    return int(scene.digits[thing, frame])


def least_difference(scene: Scene, claim: Claim, renderer: Renderer) -> int:
    """Pixels by which the claim's frame differs from one in which the thing shows another digit, at least."""
    thing, own = scene.names.index(claim.subject), digit_of(scene, claim)
    frame = scene.at(np.array([claim.time_s]))
    shown = [frame.digits.copy() for _ in range(10)]
    for digit, digits in enumerate(shown):
        digits[thing] = digit
    made = scene_arrays([replace(frame, digits=digits) for digits in shown], things=len(scene.names))
    pictures = renderer(tensors(made))[:, 0].int()
    differs = ((pictures - pictures[own]).abs().amax(1) > 60).sum((1, 2)).tolist()
    return int(min(count for digit, count in enumerate(differs) if digit != own))


@pytest.mark.parametrize(("level", "split"), [("plain", "pairs"), ("hard", "objects"), ("hard", "iid")])
def test_a_name_alone_does_not_tell_whether_its_thing_is_there(
    level: LevelName, split: SplitName, tmp_path: Path
) -> None:
    write_stamps(tmp_path)
    cutouts = load_cutouts(tmp_path)
    rng = np.random.default_rng(2)
    there: set[str] = set()
    missing: set[str] = set()
    for _ in range(150):
        scene = sample_scene(rng, world=world(level, split), cutouts=cutouts)
        there |= {sort_of(name) for name, may in zip(scene.names, scene.askable, strict=True) if may}
        item = ask(rng, scene, "absent")
        if item is not None and item.answer.startswith("Cannot tell: no "):
            name = item.answer.removeprefix("Cannot tell: no ")
            if name not in ("flash", "digit"):
                assert name not in scene.names
                missing.add(sort_of(name))
    assert missing == there


def sort_of(name: str) -> str:
    if name in NAMED:
        return "cut-out"
    colour, shape = name.split()
    return "pair that training never shows" if is_held_out(colour, shape) else "pair"


def test_a_chain_asks_for_the_same_happening_in_both_orders() -> None:
    rng = np.random.default_rng(0)
    whole = [links for links in (chain(rng, scene) for scene in scenes("plain")) if links]
    assert len(whole) > 10
    for links in whole:
        assert list(links) == ["what", "when-1", "where-1", "where-2", "when-2"]
        span = links["when-1"].truth.spans[0]
        assert links["when-2"].truth.spans == (span,)
        assert links["where-1"].truth.evidence == links["where-2"].truth.evidence
        assert f"from {span.start_s:.1f}s to {span.end_s:.1f}s" in links["where-1"].question
        assert "It is at [" in links["when-2"].question


def test_a_shorter_evaluation_is_the_beginning_of_a_longer_one_and_of_no_other_seed() -> None:
    def some(count: int, seed: int = 0) -> list[tuple[str, str, str]]:
        made = questions(level="plain", split="iid", seed=seed, count=count, cutouts=NO_CUTOUTS)
        return [(a.id, a.item.question, a.item.completion) for a in made]

    assert some(40)[:25] == some(25)
    assert some(25) != some(25, seed=1)
    assert len({name for name, *_ in some(40)}) == 40


def test_no_seed_of_a_training_shows_it_a_clip_of_an_evaluation() -> None:
    (asked_about,) = questions(level="plain", split="iid", seed=3, count=1, cutouts=NO_CUTOUTS)
    scene = asked_about.scene
    for seed in (3, 715_517):
        stream = Batches(
            world=world("plain", "train"), mix={"where": 1.0}, size=1, text_length=232, seed=seed, stage=3,
            cutouts=NO_CUTOUTS,
        )  # fmt: skip
        shown = stream[0].scene["centre"][0].numpy()[: len(scene.names)]
        assert shown.shape != scene.centres.shape or not np.allclose(shown, scene.centres)


def test_an_evaluation_asks_every_kind_of_its_level_about_as_often() -> None:
    made = list(questions(level="hard", split="iid", seed=0, count=60, cutouts=NO_CUTOUTS))
    counts = Counter(CHAIN if a.link else a.item.kind for a in made)
    assert counts.pop(CHAIN) == 15
    assert set(counts.values()) == {3}
