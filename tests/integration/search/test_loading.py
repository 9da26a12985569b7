"""What a single command loads, and how little of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engines.embedding import TextEmbedder
from search.loading import EarlyEmbedder, open_searcher
from tests.archive import Film, Seen, embedder, make_home


def test_the_early_embedder_gives_what_the_embedder_gives() -> None:
    early = EarlyEmbedder("a bus")
    assert early.name == TextEmbedder.name
    for texts in (["a bus"], ["a dog", "a bus"]):
        assert np.allclose(early.embed(texts), embedder().embed(texts), atol=1e-3)


def test_what_goes_wrong_while_loading_is_told_by_embed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: TextEmbedder, **_: object) -> None:
        raise OSError("the model is gone")

    monkeypatch.setattr(TextEmbedder, "__init__", broken)
    with pytest.raises(OSError, match="the model is gone"):
        EarlyEmbedder("a bus").embed(["a bus"])


def test_a_searcher_is_opened_for_one_query(home: Path) -> None:
    make_home(home, [Film(name="a.mp4", seen=[Seen(start_s=1, end_s=2, text="1 bus")])]).close()
    with open_searcher(home, "a bus") as searcher:
        assert [hit.text for hit in searcher.find("a bus").hits] == ["1 bus"]


def test_naming_the_commands_loads_no_database_and_no_model() -> None:
    program = (
        "import sys, typer, search, search.commands; search.commands.register(typer.Typer());"
        "print(sorted({'sqlalchemy', 'numpy', 'faiss', 'onnxruntime', 'av', 'engines'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    import search

    assert all(getattr(search, name) is not None for name in search.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = search.nothing
