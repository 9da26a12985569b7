"""What the small model begins from."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from engines.qwen.checkpoint import find
from training.small.proofworld import proofworld
from training.small.student import Student
from training.world.pictures import NO_CUTOUTS


def student(start: str) -> Student:
    return Student(
        "S",
        source=proofworld(NO_CUTOUTS),
        seed=0,
        start=start,
        device=torch.device("cpu"),
        weight_decay=0.0,
        ema_decay=0.0,
    )


def test_a_training_goes_on_from_the_shipped_checkpoint_by_its_name() -> None:
    shipped = load_file(find("proofreel-small") / "model.safetensors")
    own = student("proofreel-small").model.state_dict()
    assert all(torch.equal(own[name], weights.float()) for name, weights in shipped.items())


def test_a_start_that_is_no_folder_is_refused_as_one_and_asked_of_no_hub() -> None:
    with pytest.raises(ValueError, match=r"owner/name holds no model\.safetensors: give the folder"):
        student("owner/name")
