"""The vector index is a cache: good, old, broken or gone, the same question gets the same answer, as long as
the index compares every vector (up to a million).
"""

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from grounding.errors import StorageError
from storage import Database, build_generation, commit_segment, open_index, refresh_generation
from storage.generations import Generation, damage, recipe, verify
from storage.vectors import Ids, Scores, VectorIndex
from tests.rows import EMBEDDER, add_job, segment_rows, unit_vectors

ROOT = Path(__file__).parents[3]
NUM_SEGMENTS, MOMENTS_A_SEGMENT = 4, 250
NUM_MOMENTS = NUM_SEGMENTS * MOMENTS_A_SEGMENT
Home = tuple[Database, Path]


@pytest.fixture
def indexed(home: Path) -> Iterator[Home]:
    """A home with `NUM_MOMENTS` committed moments and one pending segment, without a vector index."""
    with Database.open(home, create=True) as db:
        with db.writing() as session:
            job = add_job(session, num_segments=NUM_SEGMENTS + 1)
            for segment in job.segments[:-1]:
                rows = segment_rows(1, num_moments=MOMENTS_A_SEGMENT, seed=segment.position)
                commit_segment(session, segment.id, rows)
        yield db, home


def truth() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """The vectors of moments 1, 2, 3, .. as SQL holds them."""
    all_of_them = [unit_vectors(MOMENTS_A_SEGMENT, seed=i) for i in range(NUM_SEGMENTS)]
    return np.concatenate(all_of_them).astype(np.float16).astype(np.float32)


QUERIES = unit_vectors(8, seed=99)


def answers(index: VectorIndex, *, k: int = 10, allowed: Ids | None = None) -> list[tuple[Ids, Scores]]:
    return [index.search(query, k, allowed=allowed) for query in QUERIES]


def same(one: list[tuple[Ids, Scores]], other: list[tuple[Ids, Scores]]) -> bool:
    """Whether two lists of answers have equal ids, and scores equal to the bit."""
    return all(
        np.array_equal(a, c) and np.array_equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True)
    )


def build(indexed: Home, factory: str | None = None) -> Generation:
    generation = build_generation(*indexed, embedder=EMBEDDER, factory=factory)
    assert generation is not None
    return generation


def test_the_nearest_by_hand_are_the_nearest_found(indexed: Home) -> None:
    build(indexed)
    index = open_index(*indexed, embedder=EMBEDDER)
    for query, (ids, scores) in zip(QUERIES, answers(index), strict=True):
        expected = truth() @ query
        assert ids.tolist() == (np.argsort(-expected, kind="stable")[:10] + 1).tolist()
        assert np.allclose(scores, expected[ids - 1], atol=1e-6)


def test_sql_alone_and_the_index_answer_to_the_bit_alike(indexed: Home) -> None:
    without = open_index(*indexed, embedder=EMBEDDER)
    assert without.stats().generation is None and without.stats().problem is None
    before = answers(without)
    build(indexed)
    index = open_index(*indexed, embedder=EMBEDDER)
    assert index.stats().num_indexed == NUM_MOMENTS and index.stats().num_newer == 0
    assert same(answers(index), before)


@pytest.mark.parametrize("count", [0, 1, 5, 600, NUM_MOMENTS])
def test_only_allowed_moments_are_found(indexed: Home, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.vectors._FEW_ALLOWED", 100)
    allowed = np.random.default_rng(3).permutation(NUM_MOMENTS)[:count].astype(np.int64) + 1
    plain = answers(open_index(*indexed, embedder=EMBEDDER), allowed=allowed)
    build(indexed)
    found = answers(open_index(*indexed, embedder=EMBEDDER), allowed=allowed)
    assert same(found, plain)
    for query, (ids, _) in zip(QUERIES, found, strict=True):
        order = allowed[np.argsort(-(truth()[allowed - 1] @ query), kind="stable")]
        assert ids.tolist() == order[:10].tolist()


def test_allowed_ids_beyond_all_moments_do_no_harm(indexed: Home) -> None:
    build(indexed)
    allowed = np.arange(NUM_MOMENTS - 5, NUM_MOMENTS + 5000, dtype=np.int64)
    ids, _ = open_index(*indexed, embedder=EMBEDDER).search(QUERIES[0], 20, allowed=allowed)
    assert sorted(ids.tolist()) == list(range(NUM_MOMENTS - 5, NUM_MOMENTS + 1))


def spoil(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[:-1])
    elif how == "longer":
        path.write_bytes(content + b"\0")
    else:
        content[len(content) // 3] ^= 0x10
        path.write_bytes(content)


FAULTS = ["missing", "empty", "truncated", "longer", "flipped"]


@pytest.mark.parametrize("how", FAULTS)
def test_a_broken_index_is_noticed_and_changes_no_answer(
    indexed: Home, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    generation = build(indexed)
    before = answers(open_index(*indexed, embedder=EMBEDDER))
    spoil(generation.path, how)
    index = open_index(*indexed, embedder=EMBEDDER)
    assert index.stats().generation is None
    assert "run `proofreel vectors rebuild`" in caplog.text
    assert same(answers(index), before)


@pytest.mark.parametrize("how", FAULTS)
def test_the_writer_builds_a_broken_index_again(indexed: Home, how: str) -> None:
    generation = build(indexed)
    before = answers(open_index(*indexed, embedder=EMBEDDER))
    spoil(generation.path, how)
    index = open_index(*indexed, embedder=EMBEDDER, repair=True)
    assert index.stats().generation == generation.id + 1
    assert same(answers(index), before)
    assert open_index(*indexed, embedder=EMBEDDER).stats().problem is None


def test_a_broken_newest_generation_gives_way_to_the_one_before(indexed: Home) -> None:
    first, second = build(indexed), build(indexed)
    before = answers(open_index(*indexed, embedder=EMBEDDER))
    spoil(second.path, "flipped")
    index = open_index(*indexed, embedder=EMBEDDER)
    assert index.stats().generation == first.id
    assert "checksum" in (index.stats().problem or "")
    assert same(answers(index), before)


@pytest.mark.parametrize("num_broken", [1, 2])
def test_broken_generations_are_told_once(
    indexed: Home, num_broken: int, caplog: pytest.LogCaptureFixture
) -> None:
    generations = [build(indexed), build(indexed)]
    for generation in generations[-num_broken:]:
        spoil(generation.path, "flipped")
    open_index(*indexed, embedder=EMBEDDER)
    (told,) = [record.getMessage() for record in caplog.records]
    assert str(generations[-1].path) in told
    assert "run `proofreel vectors rebuild`" in told


def test_any_flipped_byte_is_noticed(indexed: Home) -> None:
    generation = build(indexed)
    content = generation.path.read_bytes()
    chance = random.Random(1)
    places = {0, len(content) - 1, *(chance.randrange(len(content)) for _ in range(60))}
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << chance.randrange(8)
        generation.path.write_bytes(flipped)
        assert "checksum" in (damage(generation) or "")
    generation.path.write_bytes(content)
    assert damage(generation) is None


def commit_the_last_segment(indexed: Home) -> None:
    db, _ = indexed
    with db.writing() as session:
        assert commit_segment(session, NUM_SEGMENTS + 1, segment_rows(1, num_moments=3, seed=77))


def test_moments_newer_than_the_index_are_found_too(indexed: Home) -> None:
    generation = build(indexed)
    index = open_index(*indexed, embedder=EMBEDDER)
    commit_the_last_segment(indexed)
    ids, scores = index.search(unit_vectors(3, seed=77)[1], 1)
    assert ids.tolist() == [NUM_MOMENTS + 2]
    assert scores[0] == pytest.approx(1.0, abs=1e-3)
    assert index.stats().num_newer == 3
    assert [(v.num_newer, v.state) for v in verify(*indexed)] == [(3, "good")]
    newer = refresh_generation(*indexed, embedder=EMBEDDER)
    assert newer is not None and newer.id == generation.id + 1 and newer.num_vectors == NUM_MOMENTS + 3


def test_nothing_new_builds_no_new_generation(indexed: Home) -> None:
    first = build(indexed)
    assert refresh_generation(*indexed, embedder=EMBEDDER) == first
    spoil(first.path, "truncated")
    again = refresh_generation(*indexed, embedder=EMBEDDER)
    assert again is not None and again.id == first.id + 1


def test_deleted_moments_are_never_found(indexed: Home) -> None:
    build(indexed)
    db, _ = indexed
    index = open_index(*indexed, embedder=EMBEDDER)
    gone = index.search(QUERIES[0], 400)[0]
    with db.writing() as session:
        session.execute(text(f"DELETE FROM embedding WHERE moment_id IN ({','.join(map(str, gone))})"))
    left, _ = index.search(QUERIES[0], 10)
    assert len(left) == 10 and not set(left) & set(gone)
    assert (
        left.tolist()
        == open_index(*indexed, embedder=EMBEDDER, repair=False).search(QUERIES[0], 10)[0].tolist()
    )
    expected = np.argsort(-(truth() @ QUERIES[0]), kind="stable")[400:410] + 1
    assert left.tolist() == expected.tolist()
    assert verify(*indexed)[0].num_deleted == 400


def test_more_than_there_are_gives_all(indexed: Home) -> None:
    build(indexed)
    ids, scores = open_index(*indexed, embedder=EMBEDDER).search(QUERIES[0], NUM_MOMENTS * 2)
    assert sorted(ids.tolist()) == list(range(1, NUM_MOMENTS + 1))
    assert (np.diff(scores) <= 0).all()


def test_two_generations_are_kept_and_what_crashed_builders_left_is_removed(indexed: Home) -> None:
    _, folder = indexed
    build(indexed)
    (folder / "vectors" / "7-dead.partial").write_bytes(b"half")
    (folder / "vectors" / "7-dead.faiss").write_bytes(b"renamed, never named")
    newest = [build(indexed), build(indexed)]
    assert {file.name for file in (folder / "vectors").iterdir()} == {g.path.name for g in newest}


def test_a_damaged_generation_goes_with_a_rebuild_and_who_searches_in_it_is_not_disturbed(
    indexed: Home,
) -> None:
    first = build(indexed)
    searching = open_index(*indexed, embedder=EMBEDDER)
    before = answers(searching)
    first.path.rename(first.path.with_suffix(".good"))
    first.path.write_bytes(b"junk")

    second = build(indexed)
    assert [(v.generation, v.state) for v in verify(*indexed)] == [(second, "good")]
    assert not first.path.exists()
    first.path.with_suffix(".good").unlink()
    assert same(answers(searching), before)


def test_another_embedders_vectors_are_not_mixed_in(indexed: Home) -> None:
    build(indexed)
    other = open_index(*indexed, embedder="another")
    assert len(other.search(QUERIES[0], 5)[0]) == 0
    assert build_generation(*indexed, embedder="another") is None


def test_a_vector_of_another_length_is_refused(indexed: Home) -> None:
    build(indexed)
    with pytest.raises(ValueError, match=r"\(12,\), not \(384,\)"):
        open_index(*indexed, embedder=EMBEDDER).search(np.ones(12, dtype=np.float32), 5)
    with pytest.raises(ValueError, match="at least one"):
        open_index(*indexed, embedder=EMBEDDER).search(QUERIES[0], 0)


@pytest.mark.parametrize("factory", ["IDMap,SQfp16", "IVF16,SQfp16", "IVF4,PQ16x4"])
def test_every_kind_of_index_recalls_what_is_near(indexed: Home, factory: str) -> None:
    build(indexed, factory)
    index = open_index(*indexed, embedder=EMBEDDER)
    noise = 0.4 * unit_vectors(50, seed=5)
    wanted = np.random.default_rng(6).choice(NUM_MOMENTS, 50, replace=False)
    found = [index.search(truth()[i] + n, 10)[0] for i, n in zip(wanted, noise, strict=True)]
    recall = np.mean([i + 1 in ids for i, ids in zip(wanted, found, strict=True)])
    assert recall >= 0.95, f"{factory}: recall at 10 is {recall:.2f}"


def test_the_recipe_grows_with_the_archive() -> None:
    sizes = (10, 1_000_000, 1_000_001, 8_000_001, 36_000_000)
    recipes = [recipe(size, dimension=384) for size in sizes]
    assert recipes == ["IDMap,SQfp16", "IDMap,SQfp16", "IVF2048,SQfp16", "IVF8192,PQ64", "IVF16384,PQ64"]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from storage import Database, build_generation
from tests.rows import EMBEDDER
indexed = Path(sys.argv[1])
with Database.open(indexed) as db:
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
    build_generation(db, indexed, embedder=EMBEDDER)
"""


def test_a_disk_that_fills_up_leaves_the_old_index_in_use(indexed: Home) -> None:
    first = build(indexed)
    before = answers(open_index(*indexed, embedder=EMBEDDER))
    command = [sys.executable, "-c", FULL_DISK, str(indexed[1])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "StorageError" in done.stderr.splitlines()[-1], done.stderr
    assert [file.name for file in first.path.parent.iterdir()] == [first.path.name]
    assert same(answers(open_index(*indexed, embedder=EMBEDDER)), before)


def test_a_name_that_leads_out_of_the_home_is_refused(indexed: Home) -> None:
    build(indexed)
    with indexed[0].writing() as session:
        session.execute(text("UPDATE vector_generation SET file_name = '../../etc/passwd'"))
    with pytest.raises(StorageError, match="no plain name"):
        open_index(*indexed, embedder=EMBEDDER)


def test_two_embedders_keep_their_indexes_side_by_side(indexed: Home) -> None:
    with indexed[0].writing() as session:
        session.execute(text("UPDATE embedding SET embedder = 'another' WHERE moment_id % 2 = 0"))
    first = {name: build_generation(*indexed, embedder=name) for name in (EMBEDDER, "another")}

    again = {name: refresh_generation(*indexed, embedder=name) for name in first}

    assert again == first
    assert all(open_index(*indexed, embedder=name).stats().problem is None for name in first)
