"""Text to vectors: all-MiniLM-L6-v2 with int8 weights, on the CPU. English only.

The int8 model keeps its activations in float, so the vector of a text does not depend on its neighbours in a
batch (checked by a test). Text beyond 256 word pieces is cut off.

Shapes: B texts in a batch, L word pieces of the longest, D = 384.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.assets import asset_path

Vectors = npt.NDArray[np.float32]

_MANY = 64
_BATCH = 16
_MOST_PIECES = 256
_MOST_CHARACTERS = 8192  # so that a hostile text of megabytes is not tokenised to be thrown away


class TextEmbedder:
    """Loads in a tenth of a second, at some 30 ms a text; once it was given `_MANY` texts it takes a third
    of a second to prepare the network better (5 ms a text, 190 MB more). `few=True`: that never happens.

    Raises EngineError when its weights are missing or altered. English only: other languages get a vector
    that means little. Not safe for several threads at once.
    """

    name = "all-MiniLM-L6-v2-int8"
    dimension = 384

    def __init__(
        self, *, few: bool = False, num_threads: int | None = None, cache_dir: Path | None = None
    ) -> None:
        from tokenizers import BertWordPieceTokenizer

        vocabulary = asset_path("bert-vocabulary", cache_dir=cache_dir)
        self._tokenizer = BertWordPieceTokenizer(str(vocabulary), lowercase=True)
        self._tokenizer.enable_truncation(_MOST_PIECES)
        self._weights = asset_path("text-embedder", cache_dir=cache_dir)
        self._num_threads = num_threads
        self._texts_to_come: float = math.inf if few else _MANY
        self._session: Any = self._prepared(well=False)

    def _prepared(self, *, well: bool) -> Any:
        import onnxruntime

        levels = onnxruntime.GraphOptimizationLevel
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = levels.ORT_ENABLE_EXTENDED if well else levels.ORT_DISABLE_ALL
        options.intra_op_num_threads = self._num_threads or 0
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(self._weights), options, providers=["CPUExecutionProvider"])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """[len(texts), 384] float32 of unit length, in the order of `texts`. Any text gets one, also ""."""
        if 0 < self._texts_to_come <= len(texts):
            self._session = self._prepared(well=True)
        self._texts_to_come = max(self._texts_to_come - len(texts), 0)
        encoded = self._tokenizer.encode_batch([_readable(text) for text in texts])
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        by_length = sorted(range(len(texts)), key=lambda i: len(encoded[i].ids))
        for start in range(0, len(by_length), _BATCH):
            batch = by_length[start : start + _BATCH]
            vectors[batch] = self._embed_batch([encoded[i].ids for i in batch])
        return vectors

    def _embed_batch(self, pieces: Sequence[Sequence[int]]) -> Vectors:
        longest = max(len(p) for p in pieces)
        ids_BL = np.zeros((len(pieces), longest), np.int64)
        mask_BL = np.zeros_like(ids_BL)
        for row, ids in enumerate(pieces):
            ids_BL[row, : len(ids)] = ids
            mask_BL[row, : len(ids)] = 1
        feed = {"input_ids": ids_BL, "attention_mask": mask_BL, "token_type_ids": np.zeros_like(ids_BL)}
        hidden_BLD = self._session.run(None, feed)[0]
        sums_BD = (hidden_BLD * mask_BL[:, :, None]).sum(
            axis=1
        )  # a mean's divisor falls out of the unit length
        vectors: Vectors = (sums_BD / np.linalg.norm(sums_BD, axis=1, keepdims=True)).astype(np.float32)
        return vectors


def _readable(text: str) -> str:
    """The text as the tokenizer takes it: not too long, and without halves of surrogate pairs."""
    return text[:_MOST_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
