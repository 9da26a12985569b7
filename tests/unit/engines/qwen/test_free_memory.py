"""How much memory a cache may be planned for."""

import psutil
import pytest
import torch

from engines.qwen.caches import free_bytes


def test_memory_that_only_holds_files_counts_as_free() -> None:
    """After an export was read, most pages hold its file; an engine that fits may not be refused for that."""
    assert free_bytes(torch.device("cpu")) == pytest.approx(psutil.virtual_memory().available, rel=0.2)
