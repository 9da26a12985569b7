"""What was looked at, and the dates of it."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from engines.naming import NameMatcher
from grounding.evidence import Span
from search import Filters, find
from search.results import SearchResult
from storage import CoverageRow, Database
from storage.reports import library_totals
from tests.archive import Film, Seen, embedder, make_home

DAMAGED = [
    CoverageRow(span=Span(0.0, 12.0), kind="sampled", num_frames=24),
    CoverageRow(span=Span(10.0, 15.0), kind="damaged", num_frames=0, reason="bad packets"),
    CoverageRow(span=Span(15.0, 20.0), kind="skipped", num_frames=0, reason="too slow"),
]
NIGHT = datetime(2026, 5, 1, 21, 59, 30, tzinfo=UTC)  # half a minute before ten
BUSES = [Seen(start_s=5.0, end_s=6.0, text="1 bus"), Seen(start_s=45.0, end_s=46.0, text="2 dogs, 1 bus")]


def search(db: Database, home: Path, query: str = "a bus", **limits: object) -> SearchResult:
    filters = Filters(**limits)  # type: ignore[arg-type]
    return find(db, home, query, embedder=embedder(), matcher=NameMatcher(embedder()), filters=filters)


def starts(result: SearchResult) -> list[float]:
    return sorted(hit.start_s for hit in result.hits)


def test_damaged_skipped_and_pending_seconds_are_told_apart(home: Path) -> None:
    film = Film(name="a.mp4", done=2, coverage={0: DAMAGED})
    with make_home(home, [film]) as db:
        told = search(db, home).searched
        with db.reading() as session:
            totals = library_totals(session)
    assert (told.videos, told.seconds, told.pending_s, told.unseen_s) == (1, 30.0, 20.0, 10.0)
    assert (totals.looked_at_s, totals.pending_s) == (told.seconds, told.pending_s)


def test_what_a_later_run_looked_at_is_counted_once_and_replaces_what_was_to_do(home: Path) -> None:
    with make_home(home, [Film(name="a.mp4", done=1), Film(name="a.mp4", done=3, fingerprint="f2")]) as db:
        told = search(db, home).searched
    assert (told.seconds, told.pending_s, told.unseen_s) == (60.0, 0.0, 0.0)


def test_nothing_is_counted_before_a_segment_is_done(home: Path) -> None:
    with make_home(home, [Film(name="a.mp4", done=0)]) as db:
        told = search(db, home).searched
    assert (told.videos, told.seconds, told.pending_s) == (0, 0.0, 60.0)


def test_windows_that_reach_past_the_end_count_no_more_than_the_video(home: Path) -> None:
    whole = [CoverageRow(span=Span(40.0, 60.0), kind="sampled", num_frames=4)]
    with make_home(home, [Film(name="a.mp4", duration_s=50.0, coverage={2: whole})]) as db:
        assert search(db, home).searched.seconds == 50.0


def test_dates_are_the_moments_own(home: Path) -> None:
    with make_home(home, [Film(name="a.mp4", seen=BUSES, recorded_at=NIGHT)]) as db:
        at_ten = datetime(2026, 5, 1, 22, tzinfo=UTC)
        late = search(db, home, since=at_ten)
        early = search(db, home, until=at_ten)
        assert (starts(late), starts(early)) == ([45.0], [5.0])
        assert (late.searched.seconds, early.searched.seconds) == (30.0, 30.0)
        assert late.hits[0].recorded_at == datetime(2026, 5, 1, 22, 0, 15, tzinfo=UTC)
        assert starts(search(db, home, since=datetime(2026, 5, 2, tzinfo=UTC))) == []


def test_a_file_that_knows_its_date_alone_has_no_time_of_day(home: Path) -> None:
    with make_home(home, [Film(name="a.mp4", seen=BUSES[:1], recorded_at=date(2026, 5, 1))]) as db:
        night = search(db, home, between=(time(22), time(6)))
        assert (night.hits, night.searched.undated, night.searched.seconds) == ((), 1, 0.0)
        for since, until, found in ((1, 2, [5.0]), (2, 3, []), (None, 1, []), (None, 2, [5.0])):
            limits = {"since": since, "until": until}
            dates = {k: datetime(2026, 5, v, tzinfo=UTC) for k, v in limits.items() if v is not None}
            result = search(db, home, **dates)
            assert (starts(result), result.searched.undated) == (found, 0)
        noon = search(db, home, since=datetime(2026, 5, 1, 12, tzinfo=UTC))
        assert noon.hits[0].recorded_at == date(2026, 5, 1)


@pytest.mark.parametrize(
    ("between", "found", "seconds"),
    [
        ((time(22), time(6)), [45.0], 30.0),
        ((time(6), time(22)), [5.0], 30.0),
        ((time(21), time(22, 0, 20)), [5.0, 45.0], 50.0),
        ((time(0), time(0)), [5.0, 45.0], 60.0),
        ((time(3), time(4)), [], 0.0),
    ],
)
def test_times_of_day_cross_midnight(
    home: Path, between: tuple[time, time], found: list[float], seconds: float
) -> None:
    with make_home(home, [Film(name="a.mp4", seen=BUSES, recorded_at=NIGHT)]) as db:
        result = search(db, home, between=between)
    assert starts(result) == found
    assert result.searched.seconds == pytest.approx(seconds)


def test_a_night_that_began_the_day_before_counts(home: Path) -> None:
    recorded = datetime(2026, 5, 2, 1, tzinfo=UTC)
    with make_home(home, [Film(name="a.mp4", seen=BUSES, recorded_at=recorded)]) as db:
        assert starts(search(db, home, between=(time(22), time(6)))) == [5.0, 45.0]


def test_videos_without_a_date_are_left_out_and_counted(home: Path) -> None:
    with make_home(home, [Film(name="a.mp4", seen=BUSES)]) as db:
        result = search(db, home, since=NIGHT)
    assert (result.hits, result.searched.undated, result.searched.videos) == ((), 1, 0)
