"""What things look like: the masks of shapes and digits, and photographic cut-outs of named things.

Shapes: K sprites, each SIDE x SIDE texels, stretched to the thing's box.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from grounding.errors import printable
from training.world.names import KINDS, SHAPES, order_of_pictures
from video.output import whole_file

SIDE = 48
DIGIT_ROWS, DIGIT_COLUMNS = 20, 12
LEAST_SOLID = 0.25
"""A picture that fills less of its box than this is too thin to be seen at 20 px."""

STAMPS = Path("/usr/share/tuxpaint/stamps")
"""Where Debian's `tuxpaint-stamps-default` puts its pictures."""

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutouts:
    """Pictures of named things: `rgb` [K, SIDE, SIDE, 3] uint8, `mask` [K, SIDE, SIDE], `aspect` [K] width to
    height, and of each its kind and whether it is held out.
    """

    rgb: Bytes = field(repr=False)
    mask: Mask = field(repr=False)
    aspect: npt.NDArray[np.float32] = field(repr=False)
    kind: tuple[str, ...] = field(repr=False)
    held_out: tuple[bool, ...] = field(repr=False)

    def of_kind(self, *, held_out: bool) -> Mapping[str, list[int]]:
        """The numbers of each kind's pictures."""
        found: dict[str, list[int]] = {}
        for number, (kind, held) in enumerate(zip(self.kind, self.held_out, strict=True)):
            if held == held_out:
                found.setdefault(kind, []).append(number)
        return found

    def save(self, path: Path) -> None:
        """Pack them into one .npz, to take along.

        Raises ValueError for another suffix, MediaError where it can't be written.
        """
        with whole_file(path, suffix=".npz") as part:
            np.savez_compressed(
                part,
                rgb=self.rgb,
                mask=self.mask,
                aspect=self.aspect,
                kind=np.array(self.kind),
                held_out=np.array(self.held_out),
            )


NO_CUTOUTS = Cutouts(
    rgb=np.zeros((0, SIDE, SIDE, 3), np.uint8),
    mask=np.zeros((0, SIDE, SIDE), bool),
    aspect=np.zeros(0, np.float32),
    kind=(),
    held_out=(),
)


def load_cutouts(path: Path) -> Cutouts:
    """The cut-outs of a stamps folder, or of a file that `Cutouts.save` wrote.

    Raises ValueError where there are none.
    """
    if path.is_file():
        try:
            with open(path, "rb") as stream, np.load(stream) as packed:
                return Cutouts(
                    rgb=packed["rgb"],
                    mask=packed["mask"],
                    aspect=packed["aspect"],
                    kind=tuple(packed["kind"].tolist()),
                    held_out=tuple(packed["held_out"].tolist()),
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise ValueError(
                f"{printable(path)} is no file of packed cut-outs ({type(error).__name__}): make it by "
                "`proofreel train world --pack`"
            ) from error
    found = list(_found(path))
    if not found:
        raise ValueError(
            f"{printable(path)} holds no cut-outs: install Debian's tuxpaint-stamps-default, "
            "or name its stamps"
        )
    loaded = [_cut(file) for _, file, _ in found]
    solid = [k for k, (_, mask, _) in enumerate(loaded) if mask.mean() >= LEAST_SOLID]
    found, loaded = [found[k] for k in solid], [loaded[k] for k in solid]
    return Cutouts(
        rgb=np.stack([rgb for rgb, _, _ in loaded]),
        mask=np.stack([mask for _, mask, _ in loaded]),
        aspect=np.array([aspect for _, _, aspect in loaded], np.float32),
        kind=tuple(kind for kind, _, _ in found),
        held_out=tuple(held for _, _, held in found),
    )


def installed_cutouts() -> Cutouts:
    """Those of the Debian package, or none where it isn't installed."""
    return load_cutouts(STAMPS) if STAMPS.is_dir() else NO_CUTOUTS


def _found(root: Path) -> Iterator[tuple[str, Path, bool]]:
    """Kind, file and whether it is held out, of every picture."""
    for kind, patterns in KINDS.items():
        paths = {
            path.relative_to(root).as_posix()
            for pattern in patterns
            for path in root.glob(pattern)
            if not path.stem.endswith(("_mirror", "_flip", "_mirror_flip"))
        }
        for place, name in enumerate(order_of_pictures(sorted(paths))):
            yield kind, root / name, place % 4 == 0


def _cut(path: Path) -> tuple[Bytes, Mask, float]:
    """One picture cropped to what is solid in it, on a square of SIDE texels, with its aspect."""
    from PIL import Image

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGBA")
    except OSError as error:  # of which Pillow's own are
        raise ValueError(
            f"{printable(path)} is no picture that can be read: take it out of the folder"
        ) from error
    solid = picture.getchannel("A").point(lambda a: 255 if a >= 128 else 0)
    box = solid.getbbox()
    if box is None:
        raise ValueError(f"{printable(path)} shows nothing: take it out of the folder")
    cropped = picture.crop(box)
    small = np.asarray(cropped.resize((SIDE, SIDE), Image.Resampling.BOX))
    return small[..., :3].copy(), small[..., 3] >= 128, (box[2] - box[0]) / (box[3] - box[1])


@cache
def shape_masks() -> Mask:
    """[6, SIDE, SIDE] the shapes of `SHAPES`, each filling its square."""
    at = (np.arange(SIDE) + 0.5) / SIDE * 2 - 1
    y, x = np.meshgrid(at, at, indexing="ij")
    radius = np.hypot(x, y)
    masks = {
        "square": np.ones_like(x, dtype=bool),
        "circle": radius <= 1,
        "triangle": np.abs(x) <= (y + 1) / 2,
        "diamond": np.abs(x) + np.abs(y) <= 1,
        "cross": (np.abs(x) < 0.36) | (np.abs(y) < 0.36),
        "ring": (radius <= 1) & (radius > 0.55),
    }
    return np.stack([masks[name] for name in SHAPES])


_SEGMENTS = {
    "a": (0, 3, 0, 12), "b": (0, 11, 9, 12), "c": (9, 20, 9, 12), "d": (17, 20, 0, 12), "e": (9, 20, 0, 3),
    "f": (0, 11, 0, 3), "g": (9, 12, 0, 12),
}  # fmt: skip
_LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def digit_masks() -> Mask:
    """[10, 20, 12] the digits of a seven-segment display."""
    masks = np.zeros((10, DIGIT_ROWS, DIGIT_COLUMNS), bool)
    for digit, lit in enumerate(_LIT):
        for segment in lit:
            top, bottom, left, right = _SEGMENTS[segment]
            masks[digit, top:bottom, left:right] = True
    return masks
