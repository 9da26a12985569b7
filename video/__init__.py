"""Video files: what they are, their exact frames, which of them are looked at, and pictures and clips out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from video.frames import Clip, DenseFrames, Frame, FrameSource, Image, Images, VideoInfo

if TYPE_CHECKING:
    from video.reader import open_video as open_video

__all__ = [
    "Clip",
    "DenseFrames",
    "Frame",
    "FrameSource",
    "Image",
    "Images",
    "VideoInfo",
    "open_video",
]

_LAZY = {"open_video": "video.reader"}


def __getattr__(name: str) -> Any:
    """Load what needs the decoder only when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module 'video' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
