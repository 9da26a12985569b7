"""How many of each run's moments people confirmed and rejected: on the reviewed ones, precision.

A verdict on a moment holds for the moment of the other run that is the same one (see `pairing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from indexer.switching.pairing import Told

_NEEDED = {"id", "moment_id", "verdict"}


@dataclass(slots=True, kw_only=True)
class Reviewed:
    """Moments of a run on which somebody ruled."""

    confirmed: int = 0
    rejected: int = 0

    @property
    def precision(self) -> float | None:
        """The share that was confirmed, None where nobody ruled."""
        ruled = self.confirmed + self.rejected
        return self.confirmed / ruled if ruled else None

    def add(self, is_confirmed: bool) -> None:
        self.confirmed += is_confirmed
        self.rejected += not is_confirmed


@dataclass(slots=True, kw_only=True)
class Verdicts:
    """What people ruled, by moment, and the sums for both runs."""

    confirmed: dict[int, bool]
    before: Reviewed = field(default_factory=Reviewed)
    after: Reviewed = field(default_factory=Reviewed)

    def count(
        self, before: Sequence[Told], after: Sequence[Told], *, pairs: Sequence[tuple[int, int]]
    ) -> None:
        """Add the moments of one question of one video. An own verdict counts before a partner's."""
        if not self.confirmed:
            return
        partner = {before[row].id: after[column].id for row, column in pairs}
        partner |= {b: a for a, b in partner.items()}
        for sums, moments in ((self.before, before), (self.after, after)):
            for told in moments:
                ruled = self.confirmed.get(told.id, self.confirmed.get(partner.get(told.id, 0)))
                if ruled is not None:
                    sums.add(ruled)


def read_verdicts(session: Session) -> Verdicts:
    """The last verdict on each moment; none where this home keeps no reviews. Others than a confirmation or
    a rejection say nothing about precision.
    """
    tables = sa.inspect(session.connection())
    if not tables.has_table("review") or not {c["name"] for c in tables.get_columns("review")} >= _NEEDED:
        return Verdicts(confirmed={})
    rows = session.execute(sa.text("SELECT moment_id, verdict FROM review ORDER BY id"))
    last = {moment: str(verdict) for moment, verdict in rows}
    ruled = {m: v.startswith("confirm") for m, v in last.items() if v.startswith(("confirm", "reject"))}
    return Verdicts(confirmed=ruled)
