"""Caches are few, are asked for before any work, and fit into the memory that there is."""

from __future__ import annotations

import psutil
import pytest
import torch

from engines.qwen.caches import CachePool, free_bytes
from grounding.errors import EngineError
from tests.reference_qwen import fresh_runtime

CPU = torch.device("cpu")


def pool() -> CachePool:
    return CachePool(fresh_runtime("qwen3_vl").shapes.text, device=CPU, dtype=torch.float32)


def test_memory_that_files_fill_and_the_kernel_may_drop_counts_as_free() -> None:
    assert free_bytes(CPU) == pytest.approx(psutil.virtual_memory().available, rel=0.05)


def test_a_cache_that_would_not_fit_is_refused_with_what_it_needs() -> None:
    with pytest.raises(EngineError, match=r"1000000 answers of up to 100000 tokens need [\d.]+ GB"):
        pool().take(1_000_000, 100_000)


def test_a_cache_that_was_given_back_serves_again_and_a_new_one_is_zero() -> None:
    caches = pool()
    first = caches.take(2, 64)
    assert all(not tensor.any() for tensor in first.tensors)
    caches.give_back(first)
    assert caches.take(2, 64) is first
    assert caches.take(2, 64) is not first


def test_a_fork_holds_what_its_rows_held() -> None:
    caches = pool()
    source = caches.take(2, 64)
    for number, tensor in enumerate(source.tensors):
        tensor[0], tensor[1] = number, -number
    fork = caches.fork(source, [1, 0, 1], length=128, used=10)
    for number, tensor in enumerate(fork.tensors):
        assert (tensor[0, :, :10] == -number).all() and (tensor[1, :, :10] == number).all()
        assert (tensor[2, :, :10] == -number).all() and tensor.shape[2] == 128
