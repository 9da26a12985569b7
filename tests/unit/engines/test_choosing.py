"""What `--engine` and `--model` name is what is loaded, with the settings that were asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines import load_engine
from engines.qwen.checkpoint import SHIPPED, find
from engines.qwen.settings import QwenSettings
from grounding.errors import EngineError


@pytest.mark.parametrize(("asked", "clips", "rows"), [(None, 4, 32), (1, 1, 32), (12, 12, 48)])
def test_a_checkpoint_is_shown_as_many_clips_together_as_was_asked(
    asked: int | None, clips: int, rows: int
) -> None:
    engine = load_engine("transformers", model="proofreel-small", clips_at_once=asked)
    try:
        assert engine.spec.clips_at_once == clips
        assert engine.settings.rows == rows  # type: ignore[attr-defined]
        assert engine.spec.window_s == 9.6, "the checkpoint's own settings still hold"
    finally:
        engine.close()


def test_no_clip_at_once_is_refused_and_so_is_a_number_for_the_spotter() -> None:
    with pytest.raises(ValueError, match="clips_at_once must be a whole number of at least 1, not 0"):
        load_engine("transformers", model="proofreel-small", clips_at_once=0)
    with pytest.raises(ValueError, match=r"engine spotter looks at one clip .*leave --clips-at-once out"):
        load_engine("spotter", clips_at_once=4)


def test_a_shipped_checkpoint_is_found_by_its_name_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "proofreel-small").mkdir()
    assert SHIPPED == ("proofreel-small",)
    shipped = find("proofreel-small")
    assert (shipped / "model.safetensors").is_file() and shipped.parent.parent.name == "engines"
    assert find("./proofreel-small").resolve() == tmp_path / "proofreel-small", "a folder of that name"


def test_a_name_near_that_of_a_shipped_checkpoint_is_refused_with_what_there_is() -> None:
    with pytest.raises(EngineError, match=r"'?proofreel-smal'? is no checkpoint: .*or proofreel-small"):
        find("proofreel-smal")
    with pytest.raises(EngineError, match="no checkpoint"):
        load_engine("transformers", model="proofreel-smal")


def test_rows_grow_with_the_clips_and_are_never_fewer_than_else() -> None:
    assert [QwenSettings.of_clips(clips).rows for clips in (1, 8, 9, 64)] == [32, 32, 36, 256]
