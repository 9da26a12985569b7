"""The whole engine on real clips: pixels in, evidence out."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engines import DESCRIBE, Engine, Question, load_engine
from engines.spotter.engine import Spotter
from engines.spotter.perception import SpotterSettings
from grounding import Answer, Task, parse
from tests.named import clip_named
from tests.screens import DIALOG_S, dialog_clip
from video.frames import Clip


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = load_engine("spotter")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def bikes(engine: Engine) -> Clip:
    return clip_named("bikes.mp4", engine=engine)


def ask(engine: Engine, clip: Clip, text: str, *, task: Task = "General video QA Free-form") -> Answer:
    (reply,) = engine.answer(clip, [Question(text=text, task=task)])
    answer = parse(reply.text, segment=clip.window, coordinates=engine.coordinates)
    assert answer.problems == ()
    assert len(reply.confidences or ()) == len(answer.claims)
    return answer


def picked(clip: Clip, samples: list[int]) -> Clip:
    """The clip with these frames alone, as when a stretch doesn't move or can't be read."""
    return replace(
        clip,
        images=clip.images[samples],
        pts=clip.pts[samples],
        times_s=clip.times_s[samples],
        durations_s=clip.durations_s[samples],
        dense=None,
        still=True,
    )


def test_someone_riding_a_bike_is_seen_when_and_where_the_cyclist_is(engine: Engine, bikes: Clip) -> None:
    answer = ask(engine, bikes, "When is someone riding a bike?", task="temporal QA")
    (span,) = answer.spans
    assert 3.5 <= span.start_s <= 5.0 and 5.0 <= span.end_s <= 5.6  # the shot with the cyclist ends at 5.48 s
    for claim in answer.claims:
        assert claim.time_s in [pytest.approx(t, abs=0.002) for t in bikes.times_s]
        (box,) = claim.boxes
        assert box.x1 > 0.5 and box.x2 < 0.9  # he stands right of the middle


def test_every_reply_about_a_real_clip_is_in_the_grammar(engine: Engine, bikes: Clip) -> None:
    texts = [
        "Is there a car?",
        "How many cars?",
        "Where is a bicycle?",
        "What is written?",
        "Is it red?",
        "a submarine",
    ]
    questions = [DESCRIBE, *(Question(text=text, task="General video QA Free-form") for text in texts)]
    replies = engine.answer(bikes, questions)
    assert len(replies) == len(questions)
    for reply in replies:
        answer = parse(reply.text, segment=bikes.window, coordinates=engine.coordinates)
        assert answer.problems == ()
        assert all(statement.claims for statement in answer.statements)
    assert replies[0].tracks
    assert all(not reply.tracks for reply in replies[1:])


@pytest.mark.parametrize("text", ["a submarine", "Is anyone without a helmet?", "Is there a red car?"])
def test_what_it_cannot_see_it_says(engine: Engine, bikes: Clip, text: str) -> None:
    answer = ask(engine, bikes, text)
    assert answer.abstained
    assert "80 COCO kinds" in (answer.reason or "")


def test_the_error_dialog_is_read_while_it_is_open(engine: Engine) -> None:
    clip = dialog_clip()
    answer = ask(engine, clip, "When does the error dialog appear?", task="temporal QA")
    (span,) = answer.spans
    assert span.start_s == pytest.approx(DIALOG_S[0], abs=0.51)
    assert span.end_s == pytest.approx(DIALOG_S[1], abs=0.51)
    assert "Error 504" in ask(engine, clip, "What does the error dialog say?").text
    assert ask(engine, clip, 'Does it say "connection lost"?').text.startswith("Yes")
    assert ask(engine, clip, 'Does it say "disk full"?').text.startswith("No")


def test_a_clip_without_a_frame_is_abstained_from(engine: Engine) -> None:
    clip = dialog_clip()
    nothing = picked(clip, [])
    assert ask(engine, nothing, "Is there a dog?").abstained
    assert ask(engine, nothing, "", task="describe").abstained


def test_a_still_stretch_of_one_frame_is_described(engine: Engine) -> None:
    clip = dialog_clip()
    at = [int(DIALOG_S[0] * 2)]
    still = picked(clip, at)
    answer = ask(engine, still, "", task="describe")
    assert any("Error 504" in statement.text for statement in answer.statements)


def test_the_fingerprint_follows_what_an_answer_depends_on_and_loads_nothing() -> None:
    plain = Spotter().fingerprint
    assert Spotter().fingerprint == plain
    assert len(plain) == 64
    assert Spotter(threshold=0.9).fingerprint != plain
    assert Spotter(settings=SpotterSettings(floor=0.5)).fingerprint != plain
    assert Spotter(num_threads=1, cache_dir=Path("/nowhere")).fingerprint == plain


def test_an_unknown_engine_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ValueError, match=r"no engine named 'oracle'; there are: spotter"):
        load_engine("oracle")
