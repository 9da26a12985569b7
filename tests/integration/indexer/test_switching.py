"""A new engine's answers are made beside the old ones, compared, switched to in one step, and back."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from engines.naming import NameMatcher
from indexer.switching.comparing import compare_runs
from indexer.switching.telling import comparison_document, comparison_page
from search import Searched, Searcher
from storage import Database, ensure_run
from storage.checking import check
from storage.schema import Video
from storage.switching import keep_beside
from storage.vectors import build_generation
from tests import night_process
from tests.archive import Film, Seen, add_film, embedder, make_home
from tests.lamps import After, Night, lamp_clip

BEFORE = [
    Seen(start_s=2.0, end_s=6.0, text="1 bus"),
    Seen(start_s=25.0, end_s=30.0, text="2 dogs"),
    Seen(start_s=45.0, end_s=46.0, text="1 horse"),
]
AFTER = [
    Seen(start_s=3.0, end_s=7.0, text="1 bus"),  # a second later
    Seen(start_s=25.0, end_s=30.0, text="3 dogs", subjects=["dog"]),  # other words
    Seen(start_s=50.0, end_s=52.0, text="1 car"),  # the horse is gone, and here is a car
]
NUM_FILMS = 12


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files("indexer") / "schemas" / f"{name}.schema.json").read_text())
    return found


def add_beside(db: Database, films: list[Film]) -> None:
    """What a second run says of films that are there, as `index --beside` keeps it."""
    for film in films:
        with db.writing() as session:
            run_id = ensure_run(session, fingerprint=film.fingerprint, engine="spotter", config={})
            video = session.query(Video.id).filter_by(content_hash=f"hash-of-{film.name}").scalar()
            keep_beside(session, [video], run_id=run_id)
        add_film(db, film)


def texts(db: Database, home: Path, query: str, **options: Any) -> set[str]:
    searcher = Searcher(db, home, embedder=embedder(), matcher=NameMatcher(embedder()))
    return {hit.text for hit in searcher.find(query, **options).hits}


def run(*arguments: str | Path) -> str:
    done = night_process.run_here(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_changed_is_told_moment_by_moment_and_box_by_box(tmp_path: Path) -> None:
    with make_home(tmp_path, [Film(name="a.mp4", seen=BEFORE)]) as db:
        add_beside(db, [Film(name="a.mp4", seen=AFTER, fingerprint="f2")])
    found = compare_runs(tmp_path, "1", "2")
    whole = comparison_document(found)
    jsonschema.validate(whole, schema("compare-1"))

    (table,) = whole["questions"]
    assert {k: table[k] for k in ("before", "after", "kept", "moved", "reworded", "gone", "new")} == {
        "before": 3,
        "after": 3,
        "kept": 2,
        "moved": 1,
        "reworded": 1,
        "gone": 1,
        "new": 1,
    }
    assert table["boxes"] == {"kept": 1, "gone": 1, "new": 1, "mean_iou": 1.0}  # the bus's is a second off
    changes = [(c["kind"], (c["before"] or c["after"])["text"]) for c in whole["changes"]]
    assert changes == [("moved", "1 bus"), ("reworded", "2 dogs"), ("gone", "1 horse"), ("new", "1 car")]
    page = comparison_page(found)
    assert "<svg" in page and "2 dogs -&gt; 3 dogs" in page


def test_on_the_reviewed_moments_each_run_has_a_precision(tmp_path: Path) -> None:
    with make_home(tmp_path, [Film(name="a.mp4", seen=BEFORE)], index=False) as db:
        add_beside(db, [Film(name="a.mp4", seen=AFTER, fingerprint="f2")])
    assert comparison_document(compare_runs(tmp_path, "1", "2"))["reviewed"]["before"]["precision"] is None
    with closing(sqlite3.connect(tmp_path / "proofreel.db")) as connection, connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS review (id INTEGER PRIMARY KEY, moment_id INTEGER, verdict TEXT)"
        )
        verdicts = {"1 bus": "rejected", "2 dogs": "confirmed", "1 horse": "rejected", "1 car": "unclear"}
        for text, verdict in [("1 bus", "confirmed"), *verdicts.items()]:
            # Run 1's bus was ruled on twice: the last verdict counts, and holds for run 2's bus too.
            connection.execute(
                "INSERT INTO review (moment_id, verdict) SELECT min(id), ? FROM moment WHERE text = ?",
                (verdict, text),
            )
    whole = comparison_document(compare_runs(tmp_path, "1", "2"))
    jsonschema.validate(whole, schema("compare-1"))
    assert whole["reviewed"]["before"] == {"confirmed": 1, "rejected": 2, "precision": 0.3333}
    assert whole["reviewed"]["after"] == {"confirmed": 1, "rejected": 1, "precision": 0.5}
    assert "of run 2, 1 of 2 reviewed moments were confirmed (precision 0.50)" in run(
        "compare", "1", "2", "--home", tmp_path
    )


def test_search_shows_one_run_or_the_other_whole_while_a_switch_is_made_and_undone(tmp_path: Path) -> None:
    old = [Film(name=f"{i}.mp4", seen=[Seen(start_s=2, end_s=6, text="1 bus")]) for i in range(NUM_FILMS)]
    new = [
        Film(name=f"{i}.mp4", seen=[Seen(start_s=2, end_s=6, text="2 buses")], fingerprint="f2")
        for i in range(NUM_FILMS)
    ]
    seen: list[frozenset[str]] = []
    stop = threading.Event()

    def search(db: Database) -> None:
        while not stop.is_set():
            seen.append(frozenset(texts(db, tmp_path, "a bus")))

    with make_home(tmp_path, old) as db:
        thread = threading.Thread(target=search, args=(db,))
        thread.start()
        try:
            add_beside(db, new)
            build_generation(db, tmp_path, embedder=embedder().name)
            while_beside = len(seen)
            for _ in range(2):
                run("switch", "1", "2", "--home", tmp_path)
                wait_for_more(seen, 2)
                run("switch", "--undo", "--home", tmp_path)
                wait_for_more(seen, 2)
        finally:
            stop.set()
            thread.join()
    assert set(seen) == {frozenset({"1 bus"}), frozenset({"2 buses"})}
    assert set(seen[:while_beside]) == {frozenset({"1 bus"})}


def wait_for_more(seen: list[frozenset[str]], count: int) -> None:
    wanted = len(seen) + count
    while len(seen) < wanted:
        threading.Event().wait(0.01)


def test_with_and_without_filters_and_index_only_what_is_shown_is_found(tmp_path: Path) -> None:
    from search import Filters

    with make_home(tmp_path, [Film(name="a.mp4", seen=BEFORE)], index=False) as db:
        add_beside(db, [Film(name="a.mp4", seen=AFTER, fingerprint="f2")])
        for filters in (Filters(), Filters(library="default"), Filters(labels=("car",))):
            assert texts(db, tmp_path, "a car", filters=filters) == set()
        assert texts(db, tmp_path, "a horse") == {"1 horse"}
        run("switch", "1", "2", "--home", tmp_path)
        for filters in (Filters(), Filters(library="default"), Filters(labels=("car",))):
            assert texts(db, tmp_path, "a car", filters=filters) == {"1 car"}
        assert texts(db, tmp_path, "a horse") == set()
        assert check(db).findings == ()


def test_a_video_that_the_new_run_has_not_done_keeps_its_answers(tmp_path: Path) -> None:
    films = [Film(name=name, seen=BEFORE[:1]) for name in ("done.mp4", "half.mp4", "never.mp4")]
    with make_home(tmp_path, films) as db:
        add_beside(
            db,
            [
                Film(name="done.mp4", seen=[Seen(start_s=2, end_s=6, text="2 buses")], fingerprint="f2"),
                Film(name="half.mp4", seen=BEFORE[:1], fingerprint="f2", done=1),
            ],
        )
        made = json.loads(run("switch", "1", "2", "--home", tmp_path, "--json"))
        jsonschema.validate(made, schema("switch-1"))
        assert (made["videos"], made["left"]) == (1, 1)
        assert texts(db, tmp_path, "a bus") == {"1 bus", "2 buses"}
        back = json.loads(run("switch", "--undo", "--home", tmp_path, "--json"))
        assert (back["videos"], back["after"]["run"]) == (1, 1)
        assert texts(db, tmp_path, "a bus") == {"1 bus"}
        again = night_process.run_here("switch", "--undo", "--home", tmp_path)
    assert again.returncode == 2 and "no switch holds that could be undone" in again.stderr


def test_a_question_that_the_new_run_was_not_asked_is_named_before_anybody_misses_its_answers(
    night: Night, folder: Path
) -> None:
    lamp_clip(folder / "a.mp4")
    night.run(folder, questions=["when is a lamp lit?"])
    night.engine_options = {"fingerprint": "b2"}
    night.run(folder, beside=True)
    told = run("compare", "1", "2", "--home", night.home)
    assert "asked of run 1 alone: when is a lamp lit?" in told
    assert 'it was not asked "when is a lamp lit?"' in run("switch", "1", "2", "--home", night.home)


def test_index_beside_leaves_search_and_what_it_says_it_has_seen_as_they_were(
    night: Night, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lamp_clip(folder / "a.mp4")
    night.run(folder)
    lamp_clip(folder / "b.mp4", lit=[(2.0, 3.0)])
    night.engine_options = {"fingerprint": "b2"}
    capsys.readouterr()
    report = night.run(folder, beside=True)
    assert "of 1 video search shows another run's answers, not those of run 2" in capsys.readouterr().err
    assert report.totals.video_seconds == pytest.approx(8.0)

    status = json.loads(run("status", "--home", night.home, "--json"))
    assert [(r["run"], r["hidden_videos"]) for r in status["runs"]] == [(1, 0), (2, 1)]
    with Database.open(night.home) as db, db.reading() as session:
        from search.scope import in_view
        from storage.schema import Moment

        rows = session.query(Moment.id, Moment.video_id, Moment.run_id).all()
        import numpy as np

        shown = in_view(session, np.array([row[0] for row in rows]))
    kept = {(video, run_id) for (_, video, run_id), is_in in zip(rows, shown, strict=True) if is_in}
    assert kept == {(1, 1), (2, 2)}  # of the new video only the new run says anything


def test_what_waits_or_was_seen_beside_is_no_matter_of_search(night: Night, folder: Path) -> None:
    from search.coverage import searched
    from search.filters import Filters
    from search.scope import resolve

    def looked() -> Searched:
        with Database.open(night.home) as db, db.reading() as session:
            return searched(session, resolve(session, Filters()))

    for seconds, name in enumerate("abc", start=4):
        lamp_clip(folder / f"{name}.mp4", seconds=seconds)
    night.run(folder)
    before = looked()
    night.engine_options = {"fingerprint": "b2"}
    night.run(folder, beside=True, stop=After(1))

    status = json.loads(run("status", "--home", night.home, "--json"))
    assert status["pending_seconds"] > 0.0 and status["runs"][1]["coverage"]["sampled"] > 0.0
    assert looked() == before and before.pending_s == 0.0
    report = json.loads(run("report", "--home", night.home, "--json"))
    assert [hits["windows"] for hits in report["hits"]] == [8]  # two or three a video, by run 1 alone
    assert status["coverage"]["pending_seconds"] == 0.0  # every second has been looked at, by run 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["compare", "1", "9"],
            "'9' is no run; give its number, or the first letters of its fingerprint: 1 (",
        ),
        (["compare", "1", "1"], "run 1 can't be compared with itself"),
        (["switch", "1", "1"], "run 1 is both"),
        (["switch", "1"], "switch takes two runs, A and B, or --undo alone"),
        (["switch", "1", "2"], "run 2 waits beside run 1 for no video"),
    ],
)
def test_what_cannot_be_compared_or_switched_is_one_sentence(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    films = [Film(name="a.mp4", seen=BEFORE[:1]), Film(name="b.mp4", seen=BEFORE[:1], fingerprint="f2")]
    make_home(tmp_path, films, index=False).close()
    done = night_process.run_here(*arguments, "--home", tmp_path)
    assert done.returncode == 2 and message in done.stderr, done.stderr
