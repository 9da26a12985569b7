"""The 80 COCO kinds of thing, by the ids that the detector gives them (90 numbers, ten of them unused)."""

from __future__ import annotations

LABELS: dict[int, str] = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck",
    9: "boat", 10: "traffic light", 11: "fire hydrant", 13: "stop sign", 14: "parking meter", 15: "bench",
    16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant", 23: "bear",
    24: "zebra", 25: "giraffe", 27: "backpack", 28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase",
    34: "frisbee", 35: "skis", 36: "snowboard", 37: "sports ball", 38: "kite", 39: "baseball bat",
    40: "baseball glove", 41: "skateboard", 42: "surfboard", 43: "tennis racket", 44: "bottle",
    46: "wine glass", 47: "cup", 48: "fork", 49: "knife", 50: "spoon", 51: "bowl", 52: "banana", 53: "apple",
    54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot", 58: "hot dog", 59: "pizza", 60: "donut",
    61: "cake", 62: "chair", 63: "couch", 64: "potted plant", 65: "bed", 67: "dining table", 70: "toilet",
    72: "tv", 73: "laptop", 74: "mouse", 75: "remote", 76: "keyboard", 77: "cell phone", 78: "microwave",
    79: "oven", 80: "toaster", 81: "sink", 82: "refrigerator", 84: "book", 85: "clock", 86: "vase",
    87: "scissors", 88: "teddy bear", 89: "hair drier", 90: "toothbrush",
}  # fmt: skip

# Kinds that the detector mixes up from frame to frame: a thing is followed through all names of its group.
GROUPS: tuple[frozenset[str], ...] = (
    frozenset({"car", "truck", "bus"}),
    frozenset({"cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"}),
    frozenset({"bowl", "cup", "vase", "wine glass", "bottle"}),
    frozenset({"chair", "couch"}),
    frozenset({"handbag", "suitcase", "backpack"}),
)

# Small things: a box of one that fills a fifth of the frame was wrong each time we looked (a roof seen from
# above as a vase, a lawn as a sports ball).
RARELY_LARGE: frozenset[str] = frozenset(
    {
        "traffic light", "fire hydrant", "stop sign", "parking meter", "tie", "frisbee", "skis", "snowboard",
        "sports ball", "kite", "baseball bat", "baseball glove", "tennis racket", "wine glass", "fork",
        "knife", "spoon", "mouse", "remote", "clock", "vase", "scissors", "hair drier", "toothbrush",
        "handbag", "toilet", "toaster",
    }
)  # fmt: skip

# Seen where they are not, for what is around them: skis under the feet of any walker, a ball on any lawn.
EASILY_MISTAKEN: frozenset[str] = frozenset(
    {
        "skis", "snowboard", "skateboard", "surfboard", "sports ball", "frisbee", "kite", "baseball bat",
        "baseball glove", "tennis racket", "toothbrush", "hair drier", "remote", "vase",
    }
)  # fmt: skip


def group(label: str) -> str:
    """The name under which a label is followed: that of its group, or its own."""
    for names in GROUPS:
        if label in names:
            return "/".join(sorted(names))
    return label
