"""The small model's language: one token a tag, a word, a sign or a whole number from 0 to 999.

A word after a space is a token of its own (" red" beside "red"), so that tokens joined give the text again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from training.world.names import COLOURS, KINDS, SHAPES

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"
VISION_START, VISION_END, IMAGE, VIDEO = (
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
SPECIAL = (PAD, EOS, UNKNOWN, VISION_START, VISION_END, IMAGE, VIDEO)
TAGS = (
    "<think>", "</think>", "<answer>", "</answer>", "<obj>", "</obj>", "<box>[", "]</box>", "at<t>", "<t>",
    "</t>s", "<sec>",
)  # fmt: skip
SIGNS = tuple("\n ,.:?[]()-")
PLAIN_WORDS = (
    "A", "B", "C", "D", "Cannot", "Correct", "Describe", "From", "Is", "It", "List", "What", "When", "Where",
    "Which", "after", "and", "appears", "at", "before", "digit", "does", "events", "everything", "first",
    "flash", "flashes", "from", "happens", "in", "is", "leaves", "no", "not", "nothing", "of", "or", "s",
    "show", "shows", "tell", "that", "the", "there", "thing", "things", "to", "touch", "touches", "view",
    "what", "yes", "zone", "Option",
)  # fmt: skip
NUMBERS = 1000


def _vocabulary() -> tuple[str, ...]:
    words = dict.fromkeys((*PLAIN_WORDS, *COLOURS, *SHAPES, *KINDS))
    spaced = [f" {word}" for word in words]
    return (*SPECIAL, *TAGS, *SIGNS, *words, *spaced, *(str(number) for number in range(NUMBERS)))


VOCABULARY = _vocabulary()
ID = {token: number for number, token in enumerate(VOCABULARY)}
PAD_ID, EOS_ID, UNKNOWN_ID = ID[PAD], ID[EOS], ID[UNKNOWN]
VISION_START_ID, VISION_END_ID, IMAGE_ID, VIDEO_ID = ID[VISION_START], ID[VISION_END], ID[IMAGE], ID[VIDEO]
FIRST_NUMBER_ID = len(VOCABULARY) - NUMBERS

_PIECE = "|".join([*(re.escape(tag) for tag in TAGS), r"[0-9]{1,3}", r" ?[A-Za-z]+", r"(?s:.)"])
_SPLIT = re.compile(_PIECE)


def encode(text: str) -> list[int]:
    """Ids of a text that holds no control token; what isn't in the vocabulary is `<unk>`."""
    return [ID.get(piece, UNKNOWN_ID) for piece in _SPLIT.findall(text)]


def decode(ids: Sequence[int]) -> str:
    """The text up to the end of the answer, control tokens left out."""
    pieces = []
    for token in ids:
        if token == EOS_ID:
            break
        if token >= len(SPECIAL):
            pieces.append(VOCABULARY[token])
    return "".join(pieces)


@cache
def tokenizer_json() -> str:
    """The same language as a file of the `tokenizers` library."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel(dict(ID), unk_token=UNKNOWN))
    pattern = "|".join([*(re.escape(tag) for tag in TAGS), r"[0-9]{1,3}", r" ?[A-Za-z]+", r"(?m:.)"])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer.to_str()


def write_tokenizer(folder: Path) -> None:
    """Write tokenizer.json and its config into a checkpoint's folder."""
    (folder / "tokenizer.json").write_text(tokenizer_json(), encoding="utf-8")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": EOS,
        "unk_token": UNKNOWN,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
