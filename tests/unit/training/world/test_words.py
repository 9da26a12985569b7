"""The small model's language: reversible, the same for both its writers, and wide enough for its world."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.worlds import scenes
from training.world.questions import KINDS, ask
from training.world.words import SPECIAL, UNKNOWN_ID, VOCABULARY, decode, encode, tokenizer_json

TOKENIZER = Tokenizer.from_str(tokenizer_json())


def test_every_token_has_a_number_of_its_own() -> None:
    assert len(set(VOCABULARY)) == len(VOCABULARY)


@given(st.text(st.sampled_from("aAr edsqu<>/ojbx[]t0159.,:?\n é\x00tkin"), max_size=60))
def test_the_tokenizer_file_cuts_any_text_as_training_does(text: str) -> None:
    assume(not any(control in text for control in SPECIAL))  # engines keep these apart: engines.qwen.words
    assert TOKENIZER.encode(text, add_special_tokens=False).ids == encode(text)


def test_every_text_of_the_world_is_written_in_known_tokens_and_read_back() -> None:
    rng = np.random.default_rng(0)
    for level in ("plain", "hard"):
        for scene in scenes(level):
            for kind in KINDS:
                item = ask(rng, scene, kind)
                if item is None:
                    continue
                text = f"{item.question}\n{item.completion}"
                ids = encode(text)
                assert UNKNOWN_ID not in ids, text
                assert decode(ids) == TOKENIZER.decode(ids) == text
