from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image

from engines.contract import Engine, Question, Reply
from grounding.errors import NoVideoStream, Unreadable
from grounding.evidence import Span
from indexer import asking
from indexer.asking import AskResult
from indexer.merging import Merged, Sight, WindowAnswer, merge
from indexer.progress import Silent
from tests import night_process
from tests.brightness import SPEC, BrightnessEngine
from tests.clips import coded_picture, damage_packets, make_audio, make_clip, truncate
from tests.lamps import lamp_clip
from video.frames import Clip
from video.probe import probe
from video.reader import open_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three windows of two seconds; the lamp is lit across the first border, and in the last window."""
    return lamp_clip(tmp_path / "a.mp4", seconds=6.0, lit=[(1.0, 3.0), (5.0, 5.5)])


def ask(video: Path, question: str, *, engine: Engine, overlay: Path | None = None) -> AskResult:
    return asking.ask(video, question, engine=engine, reporter=Silent(sys.stderr), overlay=overlay)


def test_when_gives_spans_joined_across_the_borders_of_windows(clip: Path) -> None:
    result = ask(clip, "when is the lamp lit?", engine=BrightnessEngine())

    assert result.answer.spans == (Span(1.0, 3.0), Span(5.0, 5.5))
    assert result.answer.text == "From 1.00 s to 3.00 s and From 5.00 s to 5.50 s"


def test_a_thing_seen_on_one_frame_is_there_as_long_as_that_frame_is_shown(tmp_path: Path) -> None:
    class Instants(BrightnessEngine):
        """Names each lit frame as an instant."""

        def answer(self, clip: Clip, questions: Sequence[Question]) -> list[Reply]:
            lit = [
                t - clip.window.start_s
                for t, i in zip(clip.times_s, clip.images, strict=True)
                if i.mean() > 128
            ]
            claims = "".join(f"<obj>lamp</obj><box>[1,1,9,9]</box>at<t>{t:.3f}</t>s" for t in lit)
            spans = " and ".join(f"From <t>{t:.3f}</t>s to <t>{t:.3f}</t>s" for t in lit)
            return [Reply(text=f"<think>{claims}</think><answer>{spans}</answer>") for _ in questions]

    clip = lamp_clip(tmp_path / "a.mp4", lit=[(2.5, 2.6)])
    result = ask(clip, "when is the lamp lit?", engine=Instants())

    assert result.answer.spans == (Span(2.5, 2.6),)


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


def test_no_is_not_said_of_a_file_that_could_hardly_be_seen(tmp_path: Path) -> None:
    dark = damage_packets(lamp_clip(tmp_path / "dark.mp4", seconds=6.0, lit=[]), range(2, 60))
    lit = damage_packets(lamp_clip(tmp_path / "lit.mp4", seconds=6.0, lit=[(0, 6)]), range(2, 60))
    unseen = ask(dark, "is a lamp lit?", engine=BrightnessEngine())
    seen = ask(lit, "is a lamp lit?", engine=BrightnessEngine())

    assert unseen.looked_at_s < 1.0 and unseen.coverage["damaged"] > 5.0
    assert unseen.answer.abstained
    assert unseen.answer.reason == (
        f"{6.0 - unseen.looked_at_s:.1f} of 6.0 s could not be seen; nothing in the rest"
    )
    assert seen.answer.text == "Yes" and seen.answer.evidence


def test_no_is_not_said_of_a_file_that_was_cut_off(tmp_path: Path) -> None:
    path = lamp_clip(tmp_path / "cut.mp4", seconds=20.0, lit=[], container={"movflags": "faststart"})
    result = ask(truncate(path, keep=0.5), "is a lamp lit?", engine=BrightnessEngine())

    assert 5.0 < result.seconds < 15.0
    assert result.answer.abstained and result.answer.reason is not None
    assert result.answer.reason.endswith("of 20.0 s could not be seen; nothing in the rest")


def test_a_no_says_how_far_apart_the_samples_lie_and_a_yes_only_how_many_there_were(clip: Path) -> None:
    dark = lamp_clip(clip.parent / "dark.mp4", lit=[])
    no = night_process.run_here("ask", dark, "is a lamp lit?").stdout.splitlines()[-1]
    yes = night_process.run_here("ask", clip, "is a lamp lit?").stdout.splitlines()[-1]
    document = json.loads(night_process.run_here("ask", dark, "is a lamp lit?", "--json").stdout)

    assert "looked at 4.0 of 4.0 s" in no
    assert no.endswith("; a frame every 0.25 s, so what is shorter can be missed")
    assert yes.endswith("; a frame every 0.25 s")
    assert document["interval_seconds"] == 0.25


def test_every_window_of_an_answer_is_told_as_it_is_done(clip: Path) -> None:
    told: list[float] = []

    class Told(Silent):
        def planned(self, *, files: int, segments: int, seconds: float) -> None:
            told.extend([segments, seconds])

        def segment_done(self, path: Path, *, seconds: float) -> None:
            told.append(seconds)

    asking.ask(clip, "is a lamp lit?", engine=BrightnessEngine(), reporter=Told(sys.stderr))

    assert told == [3, 6.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_on_a_terminal_a_bar_shows_how_far_the_answer_is_and_json_stays_alone(
    clip: Path, json_flag: list[str]
) -> None:
    ours, theirs = pty.openpty()
    done = subprocess.run(
        night_process.command("ask", clip, "is a lamp lit?", *json_flag),
        cwd=night_process.ROOT,
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
    )
    os.close(theirs)
    shown = _all_written(ours)

    assert ("asking" in shown and "segment 3/3" in shown) == (not json_flag)
    assert (shown == "") == bool(json_flag)
    assert b"Yes" in done.stdout and b"asking" not in done.stdout


def _all_written(terminal: int) -> str:
    written = b""
    with contextlib.suppress(OSError):  # so Linux tells that no one holds the other end
        while piece := os.read(terminal, 65536):
            written += piece
    os.close(terminal)
    return written.decode()


def test_three_frames_in_ten_hours_are_looked_at_a_few_times_and_count_for_all_of_it(tmp_path: Path) -> None:
    hours = make_clip(
        tmp_path / "hours.mkv",
        frames=3,
        pts=[0, 18_003_300, 36_000_000],
        time_base=Fraction(1, 1000),
        picture=lambda number: np.full((48, 64, 3), 230 if number == 1 else 10, np.uint8),
    )
    engine = BrightnessEngine()
    result = ask(hours, "when is the lamp lit?", engine=engine)
    (span,) = result.answer.spans

    assert len(engine.clips) <= 5
    assert (span.start_s, span.end_s) == (pytest.approx(18_003.3, abs=0.5), pytest.approx(36_000, abs=0.5))
    assert result.coverage["still"] == pytest.approx(36_000, abs=5.0)
    assert result.looked_at_s == pytest.approx(result.seconds)


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


def test_time_lost_to_damage_is_named_by_index_and_status_in_words_and_in_json(tmp_path: Path) -> None:
    lost = damage_packets(
        lamp_clip(tmp_path / "lost.mp4", seconds=6.0, lit=[]), [20]
    )  # to the next key frame
    sound = lamp_clip(tmp_path / "sound.mp4", lit=[(1.0, 2.0)])
    home = tmp_path / "home"
    index = night_process.run_here("index", lost, sound, "--home", home)
    status = night_process.run_here("status", "--home", home)
    again = night_process.run_here("index", lost, sound, "--home", tmp_path / "other", "--json")
    indexed = {Path(f["path"]).name: f for f in json.loads(again.stdout)["files"]}
    found = json.loads(night_process.run_here("status", "--home", home, "--json").stdout)

    assert f"indexed   {lost} (6.0 s): 1.0 s of 6.0 s are damaged" in index.stderr
    assert f"damaged      {lost}: 1.0 s of 6.0 s are damaged" in status.stdout
    assert str(sound) not in status.stdout
    assert (indexed["lost.mp4"]["damaged_seconds"], indexed["sound.mp4"]["damaged_seconds"]) == (1.0, 0.0)
    assert indexed["lost.mp4"]["reason"] == "1.0 s of 6.0 s are damaged"
    assert found["damaged"] == [{"path": str(lost), "damaged_seconds": 1.0, "seconds": 6.0}]
    jsonschema.validate(json.loads(again.stdout), schema("index-1"))
    jsonschema.validate(found, schema("status-1"))


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
    def hostile(question: str, answers: Sequence[WindowAnswer], *, sight: Sight) -> Merged:
        told = merge(question, answers, sight=sight)
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

    assert night_process.run_here("status", "--home", home).stdout.startswith("library red: 1 files")
