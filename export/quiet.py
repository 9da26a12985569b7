"""What libraries say of themselves, kept from the user; what is wrong still comes through."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_REGISTRATION = "torch.onnx._internal.exporter._registration"


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Without three kinds of message: that axes of one length share one name (they are declared so), that
    torchvision, whose operations no graph here has, isn't there, and that PyTorch copies a class of its own
    that it has deprecated.
    """
    log = logging.getLogger(_REGISTRATION)
    log.addFilter(_is_of_ours)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"# The axis name: \S+ will not be used", UserWarning)
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
        try:
            yield
        finally:
            log.removeFilter(_is_of_ours)


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Without its use of a name that transformers has changed. What it lacks of an adapter is raised."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        warnings.filterwarnings("error", "Found missing adapter keys", UserWarning)
        yield


def _is_of_ours(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("torchvision is not installed")
