"""A `Searcher` with the embedded models for one command, opened as fast as it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from search.finding import Searcher


class EarlyEmbedder:
    """An embedder that loads and embeds `text` in a thread from the start, while the rest is loaded.

    Half of that work lets other threads run. What goes wrong in it is raised by `embed`.
    """

    name = "all-MiniLM-L6-v2-int8"

    def __init__(self, text: str) -> None:
        self._text = text
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._ready = self._pool.submit(_load_and_embed, text)
        self._pool.shutdown(wait=False)

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        embedder, vector = self._ready.result()
        found: npt.NDArray[np.float32] = vector if list(texts) == [self._text] else embedder.embed(texts)
        return found


def _load_and_embed(text: str) -> tuple[Any, Any]:
    from engines.embedding import TextEmbedder

    # One thread: more of them only wait for each other, and take the processor from the rest.
    embedder = TextEmbedder(few=True, num_threads=1)
    return embedder, embedder.embed([text])


@contextmanager
def open_searcher(home: Path, query: str, *, database: str | None = None) -> Iterator[Searcher]:
    """A searcher over `home` (and the database at that URL) for one `query`, as `search.query.Query.text`."""
    embedder = EarlyEmbedder(query)
    from engines.naming import NameMatcher
    from search.finding import Searcher
    from storage.database import Database

    with Database.open(home, url=database) as db:
        yield Searcher(db, home, embedder=embedder, matcher=NameMatcher(embedder))
