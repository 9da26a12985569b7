"""Leases: which of several drivers works on a job.

A driver claims jobs for a while, renews them while it lives, and gives them back. When it dies or hangs, its
leases run out and others take the jobs; what it writes after that is refused by its token. The database's
clock decides, the same for all. On SQLite there is one driver, which takes over what a dead one left.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Double, func, or_, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

from grounding.errors import StorageError
from storage.postgres import Lock, hold, is_postgresql
from storage.schema import Job

LEASE_S = 60.0
"""How long a lease holds without being renewed."""


class LeaseLost(StorageError):
    """The job belongs to another driver by now, or to none: nothing was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A job that is ours until `until_s` (seconds since 1970, by the database's clock); `token` proves it."""

    job_id: int
    video_id: int
    token: str
    until_s: float


def new_owner() -> str:
    """How this process is named to people: its machine, its number, and something that never comes twice."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


def claim(
    session: Session,
    *,
    run_id: int,
    owner: str,
    most: int = 1,
    duration_s: float = LEASE_S,
    job_ids: Collection[int] | None = None,
    video_ids: Collection[int] | None = None,
) -> list[Lease]:
    """At most `most` pending jobs of a run that are free, oldest first, for `owner`; of `job_ids` or of
    `video_ids` when given.

    No two drivers get the same job, and none waits for another. Take a session of `Database.writing()`.
    """
    hold(session, Lock.PLAN, shared=True)
    free = select(Job.id, Job.video_id).where(Job.state == "pending")
    if job_ids is not None:
        free = free.where(Job.id.in_(job_ids))
    if video_ids is None:
        free = free.where(Job.run_id == run_id)
    else:
        # The sum keeps the database from looking for these few among all that wait.
        free = free.where(Job.video_id.in_(video_ids), Job.run_id + 0 == run_id)
    if is_postgresql(session):
        free = free.where(or_(Job.lease_until_s.is_(None), Job.lease_until_s < clock_s()))
    # A row that another driver has just taken is passed over, or looked at again as that one left it.
    found = session.execute(free.order_by(Job.id).limit(most).with_for_update(skip_locked=True, of=Job)).all()
    if not found:
        return []
    token = secrets.token_hex(16)
    taken = session.execute(
        update(Job)
        .where(Job.id.in_([job_id for job_id, _ in found]))
        .values(lease_owner=owner, lease_token=token, lease_until_s=clock_s() + duration_s)
        .returning(Job.id, Job.lease_until_s)
        .execution_options(synchronize_session=False)
    )
    until_s = {job_id: until for job_id, until in taken if until is not None}
    return [Lease(job_id=id, video_id=video, token=token, until_s=until_s[id]) for id, video in found]


def renew(session: Session, leases: Collection[Lease], *, duration_s: float = LEASE_S) -> list[Lease]:
    """Those of the leases that still are what they say, held for another `duration_s` from now."""
    by_job = {lease.job_id: lease for lease in leases}
    renewed = session.execute(
        update(Job)
        .where(_one_of(leases))
        .values(lease_until_s=clock_s() + duration_s)
        .returning(Job.id, Job.lease_until_s)
        .execution_options(synchronize_session=False)
    ).all()
    return [
        Lease(job_id=id, video_id=by_job[id].video_id, token=by_job[id].token, until_s=until)
        for id, until in renewed
        if until is not None
    ]


def release(session: Session, leases: Collection[Lease]) -> int:
    """Give jobs back, so that others need not wait; gives how many were still ours."""
    statement = update(Job).where(_one_of(leases)).values(**FREE).execution_options(synchronize_session=False)
    return int(cast(CursorResult[Any], session.execute(statement)).rowcount)


def require(session: Session, lease: Lease) -> None:
    """Raise `LeaseLost` unless the job is still ours; then nobody can take it before this transaction ends.

    A lease that ran out is still ours while nobody has taken the job.
    """
    if not is_ours(session, lease):
        raise lost(lease)


def lost(lease: Lease) -> LeaseLost:
    """What to raise for a lease that another driver has."""
    return LeaseLost(
        f"job {lease.job_id} was taken over by another proofreel: this one was not heard of for too long"
    )


def is_ours(session: Session, lease: Lease) -> bool:
    """Whether the job is still ours; if so, it stays ours to the end of this transaction."""
    ours = select(Job.id).where(Job.id == lease.job_id, Job.lease_token == lease.token)
    return session.scalar(ours.with_for_update(key_share=True)) is not None


def owner_of(session: Session, *, video_id: int, run_id: int) -> str | None:
    """Who works on a pending job of this video now, or None."""
    held = select(Job.lease_owner).where(
        Job.video_id == video_id, Job.run_id == run_id, Job.state == "pending", Job.lease_until_s > clock_s()
    )
    return session.scalar(held.order_by(Job.id).limit(1))


def leases_on(session: Session, video_ids: Collection[int], *, run_id: int) -> dict[int, float]:
    """Until when the pending jobs of videos are leased, by video id, in seconds from now; those of which none
    is leased are left out.
    """
    left_s = func.max(Job.lease_until_s - clock_s())
    found = session.execute(
        select(Job.video_id, left_s)
        .where(Job.video_id.in_(video_ids), Job.run_id + 0 == run_id)
        .where(Job.state == "pending", Job.lease_until_s.is_not(None))
        .group_by(Job.video_id)
    )
    return {video_id: seconds for video_id, seconds in found if seconds is not None}


FREE: dict[str, None] = {"lease_owner": None, "lease_token": None, "lease_until_s": None}
"""What a job's lease is when nobody works on it."""


def _one_of(leases: Collection[Lease]) -> ColumnElement[bool]:
    tokens: dict[str, list[int]] = {}
    for lease in leases:
        tokens.setdefault(lease.token, []).append(lease.job_id)
    return or_(
        Job.id.in_([]), *((Job.lease_token == token) & Job.id.in_(ids) for token, ids in tokens.items())
    )


class clock_s(FunctionElement[float]):  # reads as the SQL function that it is
    """Seconds since 1970 by the database's clock, as it runs, not as of the transaction's start."""

    type = Double()
    inherit_cache = True
    name = "clock_s"


@compiles(clock_s, "postgresql")
def _postgresql_clock(_element: clock_s, _compiler: Any, **_: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


@compiles(clock_s, "sqlite")
def _sqlite_clock(_element: clock_s, _compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"
