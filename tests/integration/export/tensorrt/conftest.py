"""Tiny exports, each made once for all the tests that look at it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engines.manifest import ExportType
from export.onnx import export_checkpoint
from tests import tiny_qwen

SMALL: dict[str, dict[str, Any]] = {
    "qwen2_5_vl": {
        "text": {
            "num_hidden_layers": 2, "hidden_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
            "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6},
        },
        "vision": {
            "depth": 2, "hidden_size": 160, "num_heads": 2, "out_hidden_size": 512,
            "fullatt_block_indexes": [1],
        },
    },
    "qwen3_vl": {
        "text": {
            "num_hidden_layers": 2, "hidden_size": 512, "num_attention_heads": 4, "num_key_value_heads": 2,
            "head_dim": 128,
            "rope_parameters": {
                "rope_type": "default", "mrope_section": [24, 20, 20], "mrope_interleaved": True,
                "rope_theta": 5e6,
            },
        },
        "vision": {
            "depth": 3, "hidden_size": 144, "num_heads": 2, "out_hidden_size": 512,
            "deepstack_visual_indexes": [0, 1],
        },
    },
}  # fmt: skip
"""Few layers, but heads as wide as in the published models: whether TensorRT has a kernel depends on that."""

MAX_LENGTH = 256

Exports = Callable[[str, ExportType], Path]
Checkpoints = Callable[[str], Path]


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Checkpoints:
    """The folder of a tiny random checkpoint of a family."""

    @cache
    def made(family: str) -> Path:
        return tiny_qwen.save_checkpoint(tmp_path_factory.mktemp(family), family, **SMALL[family])

    return made


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory, checkpoints: Checkpoints) -> Exports:
    """The folder of that checkpoint's export in a type. Tests copy it before they change it."""

    @cache
    def made(family: str, dtype: ExportType) -> Path:
        out = tmp_path_factory.mktemp(f"{family}-{dtype}") / "export"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's exporter warns of itself
            export_checkpoint(str(checkpoints(family)), out, dtype=dtype, max_length=MAX_LENGTH)
        return out

    return made
