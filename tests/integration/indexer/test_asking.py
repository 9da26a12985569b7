from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from grounding.errors import NoVideoStream, Unreadable
from grounding.evidence import Span
from indexer.asking import ask
from indexer.merging import Merged, WindowAnswer, merge
from tests import night_process
from tests.brightness import SPEC, BrightnessEngine
from tests.clips import coded_picture, make_audio, make_clip, truncate
from tests.lamps import lamp_clip
from video.probe import probe
from video.reader import open_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three windows of two seconds; the lamp is lit across the first border, and in the last window."""
    return lamp_clip(tmp_path / "a.mp4", seconds=6.0, lit=[(1.0, 3.0), (5.0, 5.5)])


def test_when_gives_spans_joined_across_the_borders_of_windows(clip: Path) -> None:
    result = ask(clip, "when is the lamp lit?", engine=BrightnessEngine())

    assert result.answer.spans == (Span(1.0, 3.0), Span(5.0, 5.5))
    assert result.answer.text == "From 1.00 s to 3.00 s and From 5.00 s to 5.50 s"


def test_existence_is_yes_when_any_window_says_so_with_its_proof(clip: Path) -> None:
    result = ask(clip, "is a lamp lit?", engine=BrightnessEngine())

    assert result.answer.text == "Yes"
    assert [(e.claim.subject, e.time_s, e.confidence) for e in result.answer.evidence] == [
        ("lamp", 1.0, 0.75),
        ("lamp", 2.0, 0.75),
        ("lamp", 5.0, 0.75),
    ]
    assert all(e.pts == round(e.time_s * 10 * 1024) for e in result.answer.evidence)


def test_what_no_window_can_tell_is_an_abstention(clip: Path) -> None:
    result = ask(clip, "is anyone without a helmet?", engine=BrightnessEngine())

    assert result.answer.abstained and result.answer.reason == "it can't see helmets"


def test_one_question_is_asked_of_each_window_and_everything_was_looked_at(clip: Path) -> None:
    engine = BrightnessEngine()
    result = ask(clip, "is a lamp lit?", engine=engine)

    assert engine.asked == [("is a lamp lit?",)] * 3
    assert result.looked_at_s == pytest.approx(6.0) == result.seconds


def test_a_file_that_can_not_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        ask(tmp_path / "nothing.mp4", "a lamp?", engine=BrightnessEngine())
    with pytest.raises(NoVideoStream):
        ask(make_audio(tmp_path / "a.m4a"), "a lamp?", engine=BrightnessEngine())
    with pytest.raises(Unreadable, match="moov"):
        ask(truncate(lamp_clip(tmp_path / "b.mp4"), keep=0.5), "a lamp?", engine=BrightnessEngine())


def test_a_still_file_is_answered_by_one_frame_a_window_and_says_that_it_was_still(tmp_path: Path) -> None:
    still = make_clip(
        tmp_path / "still.mp4",
        frames=300,
        picture=lambda number: coded_picture(1),
        options={"preset": "ultrafast", "g": "30"},
    )
    engine = BrightnessEngine(spec=SPEC)
    result = ask(still, "is a lamp lit?", engine=engine)

    assert result.coverage["still"] >= 6.0
    assert result.coverage["still"] + result.coverage["sampled"] == pytest.approx(result.seconds)
    assert [len(c.images) for c in engine.clips if c.still] == [1] * sum(c.still for c in engine.clips)


def schema(name: str) -> Any:
    return json.loads((files("indexer") / "schemas" / f"{name}.schema.json").read_text())


def test_the_documents_of_index_status_and_ask_keep_to_their_schemas(clip: Path) -> None:
    home = clip.parent / "home"
    (clip.parent / "broken.mp4").touch()
    for name, code, args in (
        ("index-1", 1, ["index", clip.parent, "--home", home, "-q", "is a lamp lit?"]),
        ("index-1", 1, ["index", clip.parent, "--home", home]),
        ("status-1", 0, ["status", "--home", home]),
        ("ask-1", 0, ["ask", clip, "is a lamp lit?"]),
        ("ask-1", 0, ["ask", clip, "is there a helmet?"]),
    ):
        done = night_process.run_here(*args, "--json")
        assert done.returncode == code, done.stderr
        jsonschema.validate(json.loads(done.stdout), schema(name))


def test_status_tells_what_is_there_and_what_is_wrong(clip: Path) -> None:
    home = clip.parent / "home"
    (clip.parent / "broken.mp4").touch()
    night_process.run_here("index", clip.parent, "--home", home)
    found = json.loads(night_process.run_here("status", "--home", home, "--json").stdout)

    assert found["libraries"] == [
        {"name": "default", "files": 2, "missing": 0, "videos": 1, "seconds": 6.0},
    ]
    (run,) = found["runs"]
    assert run["jobs"] == {"pending": 0, "done": 1, "quarantined": 0}
    assert run["coverage"] == {"sampled": 6.0, "still": 0.0, "damaged": 0.0, "skipped": 0.0}
    assert [Path(f["path"]).name for f in found["unusable"]] == ["broken.mp4"]


def test_status_without_an_index_says_what_to_do(tmp_path: Path) -> None:
    done = night_process.run_here("status", "--home", tmp_path / "nowhere")

    assert done.returncode == 1 and "run `proofreel index` on some videos first" in done.stderr


def test_the_png_shows_the_best_claim_s_frame_with_its_box(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "proof.png"
    result = ask(clip, "is a lamp lit?", engine=BrightnessEngine(), overlay=out)

    assert result.overlay == out
    with Image.open(out) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape == (48, 64, 3)
    assert pixels[:4].mean() > 150  # the lit frame
    left_edge = pixels[20:40, 6]
    assert (left_edge.max(axis=1) - left_edge.min(axis=1)).mean() > 100  # a coloured line on a grey picture


def test_the_mp4_holds_every_span_one_after_the_other(clip: Path, tmp_path: Path) -> None:
    out = tmp_path / "proof.mp4"
    engine = BrightnessEngine()
    ask(clip, "when is the lamp lit?", engine=engine, overlay=out)
    info = probe(out)

    assert info.start_s == 0.0 and info.duration_s == pytest.approx(2.5, abs=0.01)
    assert info.num_frames == 25
    with contextlib.closing(open_video(out)) as source:
        levels = [frame.image.mean() for frame in source.frames_in(Span(0.0, 2.5))]
    assert min(levels) > 150  # nothing but lit frames, so both spans are exact
    assert set(engine.asked) == {("when is the lamp lit?", "")}


def test_there_is_nothing_to_draw_where_the_answer_has_no_proof(clip: Path, tmp_path: Path) -> None:
    result = ask(clip, "is there a helmet?", engine=BrightnessEngine(), overlay=tmp_path / "proof.png")

    assert result.overlay is None and not (tmp_path / "proof.png").exists()


def test_an_overlay_of_another_kind_is_wrong_usage(clip: Path) -> None:
    done = night_process.run_here("ask", clip, "a lamp?", "--overlay", "proof.gif")

    assert done.returncode == 2 and "ends in .png or .mp4" in done.stderr


def test_the_video_itself_as_overlay_is_wrong_usage_and_stays_as_it_was(clip: Path) -> None:
    before = clip.read_bytes()
    done = night_process.run_here("ask", clip, "a lamp?", "--overlay", clip)

    assert done.returncode == 2 and "is the video itself" in done.stderr
    assert clip.read_bytes() == before


def test_what_a_terminal_would_obey_is_not_printed_nor_does_a_name_that_is_no_text_end_it(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hostile(question: str, answers: Sequence[WindowAnswer]) -> Merged:
        told = merge(question, answers)
        claims = [replace(e, claim=replace(e.claim, subject="\x1b[2Jlamp")) for e in told.evidence]
        return replace(told, text="\x1b]0;title\x07Yes\n1", evidence=tuple(claims))

    monkeypatch.setattr("indexer.asking.merge", hostile)
    out = Path(os.fsdecode(os.fsencode(clip.parent) + b"/proof \xff.png"))
    done = night_process.run_here("ask", clip, "is a lamp lit?", "--overlay", out)

    assert done.returncode == 0 and "\x1b" not in done.stdout, done.stderr
    first, second, *_, last = done.stdout.splitlines()
    assert first == "Yes 1" and "s  lamp  [" in second
    assert last.endswith("/proof \\udcff.png") and out.exists()
    done.stdout.encode()


def test_a_library_s_name_is_printed_without_what_a_terminal_would_obey(clip: Path) -> None:
    home = clip.parent / "home"
    night_process.run_here("index", clip, "--home", home, "--library", "\x1b[31mred\x1b[0m")

    assert night_process.run_here("status", "--home", home).stdout.startswith("library red: 1 file,")
