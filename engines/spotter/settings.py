"""Every threshold of the spotter's eyes: each changes what is seen, so each is part of the fingerprint."""

from __future__ import annotations

from dataclasses import dataclass

from engines.spotter.networks import Precision


@dataclass(frozen=True, kw_only=True)
class SpotterSettings:
    """Defaults were chosen by looking at boxes on real clips; times in seconds, sizes 0..1 of the frame."""

    # detector
    precision: Precision = "auto"
    floor: float = 0.28  # below it a detection is never used
    small_things_area: float = 0.2  # a thing that is small by nature is not believed in a larger box
    # motion gate: largest difference of a block's mean colour that is still the same picture, 0..255
    noise: float = 8.0
    # tracks
    strong: float = 0.6  # seen once, a thing must be this sure
    weak: float = 0.42  # seen twice or more, its two best sightings must be this sure on average
    twice_strong: float = 0.7  # the same for kinds that are easily mistaken, and nothing less will do
    doubtful: float = 0.4  # between this and enough, a thing is looked at again on frames between the samples
    second_look: bool = True
    second_looks_a_sample: float = 0.05
    second_looks_least: int = 6
    grow: float = 0.5  # boxes grow by this much of their size on each side before they are compared
    same_iou: float = 0.25  # of grown boxes: at two samples a second a walker barely overlaps with itself
    most_missed: int = 2  # samples that a thing may be hidden
    # exact borders of tracks
    refine: bool = True
    refine_calls_a_sample: float = 0.1
    refine_calls_least: int = 10
    # shots
    cut_ratio: float = 3.0  # how much a cut stands out from the frames around it
    cut_least: float = 15.0  # mean change of hue, saturation and brightness, 0..255
    flash_s: float = 0.5
    # screen text
    read: bool = True
    read_every_s: float = 5.0  # where the picture goes on changing
    read_gap_s: float = 1.0  # least time between two reads of a shot
    settled_blocks: int = 6  # of 75 x 75: a change this large that came to rest is read at once
    glance_side: int = 416
    glance_floor: float = 0.6  # how sure a glance must be of one line for a full read
    read_side: int = 960
    text_floor: float = 0.8
    text_same: float = 0.8  # likeness from which two reads in one place are one text
