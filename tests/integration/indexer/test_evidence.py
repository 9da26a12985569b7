"""What the default engine proves in real clips, as it stands in the database."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from engines import load_engine
from indexer.indexing import index_paths
from indexer.progress import Silent
from indexer.questions import question_set
from indexer.request import Request
from storage import Database
from storage.schema import Claim, Moment
from tests.inline import looking
from tests.lamps import LetterEmbedder
from tests.named import sample
from video.packets import packet_index

QUESTIONS = (
    "is there a person?",
    "when does a car appear?",
    "how many people?",
    "is anyone riding a bicycle?",
)


@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_pristine.mp4", "bigbuckbunny.mp4"])
def test_every_moment_lasts_and_every_claim_s_frame_is_on_display_in_its_moment(
    tmp_path: Path, name: str
) -> None:
    index_paths(
        Request(
            paths=[sample(name)],
            home=tmp_path,
            library="real",
            questions=question_set(QUESTIONS),
            executor=lambda: looking(lambda: load_engine("spotter"), LetterEmbedder),
        ),
        reporter=Silent(sys.stderr),
    )
    packets = packet_index(sample(name))
    with Database.open(tmp_path) as database, database.reading() as session:
        moments = session.scalars(select(Moment)).all()
        proven = session.execute(select(Claim, Moment).join(Moment, Moment.id == Claim.moment_id)).all()
        assert moments and proven
        assert [m.text for m in moments if m.start_s >= m.end_s or m.start_pts >= m.end_pts] == []
        for claim, moment in proven:
            place = packets.place_at(moment.start_pts)
            assert place is not None
            assert packets.shown_pts[place] <= claim.pts < moment.end_pts, (moment.text, claim.subject)
