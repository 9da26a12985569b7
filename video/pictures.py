"""A still picture as the frames are: RGB, in displayed orientation."""

from __future__ import annotations

import os
import warnings

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from grounding.errors import Unreadable
from video.container import MAX_PIXELS
from video.frames import Image
from video.scaling import fit


def read_picture(path: str | os.PathLike[str], *, max_side: int | None = None) -> Image:
    """The picture [H, W, 3] uint8 RGB, turned as its EXIF says, its longest side at most `max_side` px.

    Raises `Unreadable` for what is no picture, is cut short, or has more than 8192 x 8192 pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)  # our own cap is below
            with Pillow.open(path) as picture:
                _check_size(path, picture)
                turned = ImageOps.exif_transpose(picture).convert("RGB")
    except UnidentifiedImageError:
        raise Unreadable(path, "it is no picture in a known format; leave it out or convert it") from None
    except Pillow.DecompressionBombError:
        raise Unreadable(path, "it has far more than 8192x8192 pixels, the cap; scale it") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise Unreadable(path, f"the picture can't be read ({error}); copy it again") from error
    size = fit(turned.width, turned.height, max_side)
    if size != turned.size:
        turned = turned.resize(size, Pillow.Resampling.BOX)
    return np.asarray(turned)


def _check_size(path: str | os.PathLike[str], picture: Pillow.Image) -> None:
    if picture.width * picture.height > MAX_PIXELS:
        raise Unreadable(
            path, f"it has {picture.width}x{picture.height} pixels, over the cap of 8192x8192; scale it"
        )
