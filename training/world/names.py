"""What things are called: coloured shapes, and the kinds of photographic cut-outs.

A cut-out is a picture of Debian's `tuxpaint-stamps-default` (GPL-2), used while a model is made and never
shipped. `KINDS` says where in the package the pictures of a kind are; every fourth of them is held out.
"""

from __future__ import annotations

import hashlib

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (220, 30, 30),
    "green": (30, 180, 50),
    "blue": (40, 70, 230),
    "yellow": (235, 220, 40),
    "magenta": (230, 60, 210),
    "cyan": (50, 215, 225),
    "orange": (245, 140, 30),
    "purple": (120, 50, 170),
}
SHAPES = ("square", "circle", "triangle", "diamond", "cross", "ring")

HELD_OUT_PAIRS = frozenset(
    (colour, shape)
    for c, colour in enumerate(COLOURS)
    for s, shape in enumerate(SHAPES)
    if (c + s) % len(COLOURS) == 0
)
"""Pairs that no training clip shows; each of their colours and shapes is shown in other pairs."""

KINDS: dict[str, tuple[str, ...]] = {
    "bird": ("animals/birds/*.png",),
    "fish": (
        "animals/fish/*fish.png",
        "animals/fish/bluegroper.png",
        "animals/fish/coraltrout.png",
        "animals/fish/moonwrasse.png",
    ),
    "insect": ("animals/insects/*.png",),
    "bear": ("animals/mammals/bears/*.png", "animals/mammals/bears/*/*.png"),
    "cow": (
        "animals/mammals/bovines/b*.png",
        "animals/mammals/bovines/cow*.png",
        "animals/mammals/bovines/gnu*.png",
        "animals/mammals/bovines/yak.png",
        "animals/mammals/bovines/zebu.png",
    ),
    "sheep": (
        "animals/mammals/bovines/goat.png",
        "animals/mammals/bovines/mountaingoat.png",
        "animals/mammals/bovines/ram.png",
        "animals/mammals/bovines/sheep*.png",
    ),
    "cat": ("animals/mammals/cats/*.png", "animals/mammals/cats/*/*.png", "seasonal/halloween/blackcat.png"),
    "deer": ("animals/mammals/deer/*.png",),
    "dog": ("animals/mammals/dogs/*.png",),
    "horse": ("animals/mammals/equines/*.png",),
    "rodent": ("animals/mammals/rodents/*.png",),
    "hat": ("clothes/hats/*.png",),
    "fruit": ("food/fruit/*.png",),
    "vegetable": ("food/vegetables/*.png",),
    "cup": ("household/dishes/*.png",),
    "tool": ("household/tools/*.png",),
    "instrument": ("hobbies/music/*/*.png",),
    "flower": ("plants/flowers/*.png", "plants/flowers/plastic/*.png"),
    "mushroom": ("plants/mushrooms/*.png",),
    "tree": ("plants/trees/*.png", "seasonal/christmas/*[tT]ree*.png"),
    "grave": ("seasonal/halloween/grave-*.png",),
    "egg": ("seasonal/easter/*egg*.png",),
    "planet": ("space/planets/*.png", "space/moon/moon_full.png"),
    "ball": (
        "sports/basketball.png",
        "sports/cartoon/volleyball.png",
        "sports/cricketball.png",
        "sports/soccer.png",
        "sports/tennis_ball.png",
    ),
    "coin": ("symbols/money/*/coins/*.png",),
    "flag": ("town/flags/*.png",),
    "house": ("town/houses/*.png", "town/houses/cartoon/*.png"),
    "sign": ("town/roadsigns/*.png",),
    "car": (
        "vehicles/auto/beetle.png",
        "vehicles/auto/s*.png",
        "vehicles/emergency/sedan_police.png",
        "vehicles/race/*.png",
    ),
    "truck": (
        "vehicles/auto/truck.png",
        "vehicles/construction/*.png",
        "vehicles/construction/cartoon/*.png",
        "vehicles/emergency/*fire*.png",
        "vehicles/emergency/cartoon/*.png",
        "vehicles/garbagetruck.png",
    ),
    "train": ("vehicles/locomotive/*.png", "vehicles/locomotive/cartoon/*.png"),
    "ship": ("vehicles/ship/*.png", "vehicles/ship/cartoon/*.png"),
    "plane": ("vehicles/flight/planes/*.png", "vehicles/flight/planes/*/*.png", "vehicles/flight/*.png"),
}


def is_held_out(colour: str, shape: str) -> bool:
    """Whether no training clip shows a `shape` of this `colour`."""
    return (colour, shape) in HELD_OUT_PAIRS


def order_of_pictures(paths: list[str]) -> list[str]:
    """Pictures of a kind in an order that says nothing of their names: every fourth is held out."""
    return sorted(paths, key=lambda path: hashlib.sha256(path.encode()).hexdigest())
