"""Text to token ids and back, by a checkpoint's own tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grounding.errors import EngineError, printable


class Words:
    """The tokenizer of a checkpoint directory; control tokens in plain text are spelled out, never meant.

    Raises EngineError when it can't be read.
    """

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        path = str(folder / "tokenizer.json")
        try:
            self._meaning: Any = Tokenizer.from_file(path)
            self._spelling: Any = Tokenizer.from_file(path)
        except Exception as error:  # the library raises nothing narrower
            raise EngineError(
                f"{printable(path)}: tokenizer.json can't be read ({error}); fetch it again"
            ) from error
        self._spelling.encode_special_tokens = True

    def markup(self, text: str) -> tuple[int, ...]:
        """Ids of text whose control tokens are meant."""
        return tuple(self._meaning.encode(text, add_special_tokens=False).ids)

    def plain(self, text: str) -> tuple[int, ...]:
        """Ids of text that means nothing but itself."""
        return tuple(self._spelling.encode(text, add_special_tokens=False).ids)

    def text(self, ids: Sequence[int]) -> str:
        """The text of ids, control tokens left out."""
        decoded: str = self._meaning.decode(list(ids), skip_special_tokens=True)
        return decoded
