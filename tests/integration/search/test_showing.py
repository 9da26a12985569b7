"""The frame that proves a moment is the very frame, and its boxes stand where they were seen."""

import os
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from grounding.errors import Damaged, Unreadable
from grounding.evidence import Box, Span
from indexer.identity import content_hash
from search import show
from storage import Database, TrackPointRow, TrackRows
from tests.archive import Film, Seen, make_home
from tests.clips import coded_picture, make_clip, read_number

RATE = 30


def film_of(path: Path, *seen: Seen, start_s: float = 0.0, tracks: tuple[TrackRows, ...] = ()) -> Film:
    """A film that stands in `path`, as an indexer that read it would have stored it."""
    status = path.stat()
    with av.open(str(path)) as container:
        time_base = container.streams.video[0].time_base
        assert time_base is not None
    return Film(
        name=path.name,
        path=path,
        size=(status.st_size, status.st_mtime_ns),
        content_hash=content_hash(path),
        start_s=start_s,
        duration_s=2.0,
        ticks=time_base.denominator // time_base.numerator,
        seen=seen,
        tracks=tracks,
    )


def pixels(path: Path) -> npt.NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


def drawn_at(image: npt.NDArray[np.uint8], number: int, x: float, y: float) -> bool:
    """Whether something stands at a place 0..1 of the picture that the frame `number` does not have."""
    height, width, _ = image.shape
    row, column = int(y * height), int(x * width)
    around = np.s_[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4]
    plain = coded_picture(number, width=width, height=height)
    return bool(np.abs(image[around].astype(int) - plain[around]).max() > 60)


BUS = Seen(start_s=0.9, end_s=1.1, text="1 bus")  # its claim is seen at 1.0 s: frame 30


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", frames=60)


def test_the_evidence_frame_is_the_very_frame_with_its_box(home: Path, tmp_path: Path, clip: Path) -> None:
    with make_home(home, [film_of(clip, BUS)]) as db:
        shown = show(db, 1, frame=tmp_path / "out.png")
    picture = pixels(tmp_path / "out.png")
    assert read_number(picture) == 30
    assert shown.frame_time_s == pytest.approx(1.0)
    assert shown.path == clip
    # The box of tests.archive goes from (0.1, 0.2) to (0.4, 0.8).
    assert [drawn_at(picture, 30, x, 0.5) for x in (0.05, 0.1, 0.4, 0.45)] == [False, True, True, False]


def test_a_late_start_moves_the_players_time_and_not_the_frame(home: Path, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "late.mp4", frames=60, pts=range(300, 360))
    seen = Seen(start_s=10.9, end_s=11.1, text="1 bus")
    with make_home(home, [film_of(path, seen, start_s=10.0)]) as db:
        shown = show(db, 1, frame=tmp_path / "out.png")
    assert read_number(pixels(tmp_path / "out.png")) == 30
    assert (shown.start_s, round(shown.player_start_s, 6)) == (10.9, 0.9)


def test_a_moment_without_claims_shows_its_middle(home: Path, tmp_path: Path, clip: Path) -> None:
    seen = Seen(start_s=0.0, end_s=1.0, text="It is quiet.", subjects=[])
    with make_home(home, [film_of(clip, seen)]) as db:
        show(db, 1, frame=tmp_path / "out.png")
    assert read_number(pixels(tmp_path / "out.png")) == 15


def test_the_clip_holds_the_moments_frames_and_moves_tracked_boxes(
    home: Path, tmp_path: Path, clip: Path
) -> None:
    points = tuple(
        TrackPointRow(time_s=t, pts=round(t * RATE), box=Box(x, 0.05, x + 0.1, 0.12), confidence=0.9)
        for t, x in ((0.5, 0.1), (1.5, 0.8))
    )
    track = TrackRows(label="bus", span=Span(0.5, 1.5), points=points)
    seen = Seen(start_s=0.5, end_s=1.5, text="1 bus")
    with make_home(home, [film_of(clip, seen, tracks=(track,))]) as db:
        show(db, 1, clip=tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    numbers = [number for picture in pictures if (number := read_number(picture)) is not None]
    assert numbers == list(range(15, 45))
    # Half way in time it is half way in place: its lower edge goes from 0.45 to 0.55.
    assert [drawn_at(pictures[15], 30, x, 0.12) for x in (0.4, 0.5, 0.6)] == [False, True, False]
    assert [drawn_at(pictures[0], 15, x, 0.12) for x in (0.15, 0.5)] == [True, False]


def test_a_file_whose_time_changed_and_content_did_not_is_the_same(
    home: Path, tmp_path: Path, clip: Path
) -> None:
    with make_home(home, [film_of(clip, BUS)]) as db:
        os.utime(clip, ns=(1, 1))
        show(db, 1, frame=tmp_path / "out.png")
    assert read_number(pixels(tmp_path / "out.png")) == 30


def test_a_copy_serves_when_the_first_file_is_gone(home: Path, tmp_path: Path, clip: Path) -> None:
    copy = make_clip(tmp_path / "copy.mp4", frames=60)
    copy.write_bytes(clip.read_bytes())
    films = [film_of(clip, BUS), film_of(copy)]
    with make_home(home, films[:1]) as db:
        add_copy(db, films[1])
        clip.unlink()
        assert show(db, 1, frame=tmp_path / "out.png").path == copy


def add_copy(db: Database, film: Film) -> None:
    from storage import FileFacts, ensure_library, record_file, video_of_content

    assert film.path is not None
    assert film.content_hash is not None
    with db.writing() as session:
        video = video_of_content(session, film.content_hash)
        facts = FileFacts(path=film.path, size_bytes=film.size[0], mtime_ns=film.size[1], video_id=video)
        record_file(session, facts, library_id=ensure_library(session, film.library))


@pytest.mark.parametrize("what", ["gone", "changed", "replaced", "folder"])
def test_a_file_that_is_no_longer_it_is_named_with_what_to_do(
    home: Path, tmp_path: Path, clip: Path, what: str
) -> None:
    with make_home(home, [film_of(clip, BUS)]) as db:
        content = clip.read_bytes()
        clip.unlink()
        if what == "changed":
            clip.write_bytes(content[:-1] + b"x")
        elif what == "replaced":
            make_clip(clip, frames=30)
        elif what == "folder":
            clip.mkdir()
        with pytest.raises(Unreadable, match="run `proofreel index`") as told:
            show(db, 1, frame=tmp_path / "out.png")
    assert str(clip) in str(told.value)
    assert not (tmp_path / "out.png").exists()


def test_a_frame_that_is_not_there_is_never_replaced_by_another(
    home: Path, tmp_path: Path, clip: Path
) -> None:
    between = Seen(start_s=0.91, end_s=1.11, text="1 bus")  # no frame begins at 1.01 s
    with (
        make_home(home, [film_of(clip, between)]) as db,
        pytest.raises(Damaged, match="can't be read any more"),
    ):
        show(db, 1, frame=tmp_path / "out.png")


@pytest.mark.parametrize("out", ["clip.mp4", "link.mp4", "twin.mp4", "other.mp4"])
def test_no_recording_is_ever_overwritten(home: Path, tmp_path: Path, clip: Path, out: str) -> None:
    other = make_clip(tmp_path / "other.mp4", frames=50)
    (tmp_path / "link.mp4").symlink_to(other)
    (tmp_path / "twin.mp4").hardlink_to(clip)
    before = (tmp_path / out).read_bytes()
    with (
        make_home(home, [film_of(clip, BUS), film_of(other, BUS)]) as db,
        pytest.raises(ValueError, match="name another file to write"),
    ):
        show(db, 1, clip=tmp_path / out)
    assert (tmp_path / out).read_bytes() == before


@pytest.mark.parametrize("out", [{"frame": Path("out.jpg")}, {"clip": Path("out.avi")}])
def test_another_kind_of_output_is_refused(
    home: Path, tmp_path: Path, clip: Path, out: dict[str, Path]
) -> None:
    with make_home(home, [film_of(clip, BUS)]) as db, pytest.raises(ValueError, match="ends in"):
        show(db, 1, **out)  # type: ignore[arg-type]
