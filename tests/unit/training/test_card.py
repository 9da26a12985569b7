"""The model card: the hub is named for what came from it, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.qwen.checkpoint import open_checkpoint
from tests.schooling import Shots, recipe, teacher
from training.card import write_card
from training.preparing import Prepared
from training.runs import Run


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("proofreel-small", "of `proofreel-small` by"),
        ("Qwen/Qwen3-VL-8B", "of [Qwen/Qwen3-VL-8B](https://huggingface.co/Qwen/Qwen3-VL-8B) by"),
    ],
)
def test_only_a_base_that_came_from_the_hub_is_linked_to_it(base: str, said: str, tmp_path: Path) -> None:
    own = recipe(Path(base), "qwen3_vl")
    run = Run.begin(tmp_path, config=own.settings("sft"), seed=0, data="d", device="cpu", command="test")
    run.finish({"steps": 1, "epochs": 1.0})
    shipped = open_checkpoint("proofreel-small")
    prepared = Prepared(
        checkpoint=shipped,
        teacher=teacher(shipped.path, recipe(shipped.path, "qwen3_vl")),
        items=Shots([]),
        fingerprint="d",
        sources={"cvat": 1},
    )
    card = write_card(run, own, "sft", prepared=prepared, folder=tmp_path).read_text()
    assert said in card
    assert ("huggingface.co" in card) == ("base_model:" in card) == ("/" in base)
