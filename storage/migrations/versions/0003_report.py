"""For the morning report: `seen` (coverage summed up), nights, what search does not show, cut-off files."""

from __future__ import annotations

from itertools import groupby

import sqlalchemy as sa
from alembic import op

from storage.painting import Stretch, clipped, painted

revision = "0003_report"
down_revision = "0002"

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_A_BATCH = 1_000


def upgrade() -> None:
    op.add_column("video", sa.Column("missing_s", sa.Double(), nullable=True))
    for create in (_seen, _hidden, _switch, _switched, _night):
        create()
    op.create_index(op.f("ix_segment_committed_at"), "segment", ["committed_at"])
    _fill_seen()


def _seen() -> None:
    op.create_table(
        "seen",
        sa.Column("video_id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("kind IN ('sampled', 'still', 'damaged', 'skipped')", name=op.f("ck_seen_kind")),
        _of_video("seen"),
        _of_run("seen", "run_id"),
        sa.PrimaryKeyConstraint("video_id", "run_id", "start_s", name=op.f("pk_seen")),
    )


def _hidden() -> None:
    op.create_table(
        "hidden",
        sa.Column("video_id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        _of_video("hidden"),
        _of_run("hidden", "run_id"),
        sa.PrimaryKeyConstraint("video_id", "run_id", name=op.f("pk_hidden")),
    )


def _switch() -> None:
    op.create_table(
        "switch",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("from_run_id", _WHOLE, nullable=False),
        sa.Column("to_run_id", _WHOLE, nullable=False),
        sa.Column("switched_at", sa.Text(), nullable=False),
        sa.Column("undone_at", sa.Text(), nullable=True),
        _of_run("switch", "from_run_id"),
        _of_run("switch", "to_run_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switch")),
    )


def _switched() -> None:
    op.create_table(
        "switched",
        sa.Column("switch_id", _WHOLE, nullable=False),
        sa.Column("video_id", _WHOLE, nullable=False),
        sa.ForeignKeyConstraint(["switch_id"], ["switch.id"], name=op.f("fk_switched_switch_id_switch")),
        _of_video("switched"),
        sa.PrimaryKeyConstraint("switch_id", "video_id", name=op.f("pk_switched")),
    )


def _night() -> None:
    op.create_table(
        "night",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("library", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("ended_at", "ending", "fault")),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("engine", "device")),
        sa.Column("files", sa.JSON(), nullable=True),
        sa.Column("failures", sa.JSON(), nullable=True),
        sa.Column("video_s", sa.Double(), nullable=True),
        sa.Column("cpu_s", sa.Double(), nullable=True),
        sa.Column("spent_s", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_night")),
    )
    op.create_index(op.f("ix_night_started_at"), "night", ["started_at"])


def _of_video(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_video_id_video")
    return sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=name, ondelete="CASCADE")


def _of_run(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["run.id"], name=op.f(f"fk_{table}_{column}_run"))


def _fill_seen() -> None:
    """Paint the coverage that is there, a video and a run at a time."""
    connection = op.get_bind()
    rows = connection.exec_driver_sql(
        "SELECT j.video_id, j.run_id, v.start_s, v.end_s, c.start_s, c.end_s, c.kind, c.reason"
        " FROM coverage c JOIN segment s ON s.id = c.segment_id JOIN job j ON j.id = s.job_id"
        " JOIN video v ON v.id = j.video_id ORDER BY j.video_id, j.run_id"
    )
    waiting: list[dict[str, object]] = []
    for (video_id, run_id, start_s, end_s), group in groupby(rows, key=lambda row: tuple(row[:4])):
        tiles = painted(clipped((Stretch(*row[4:]) for row in group), start_s=start_s, end_s=end_s))
        waiting += [{"video_id": video_id, "run_id": run_id, **tile._asdict()} for tile in tiles]
        if len(waiting) >= _A_BATCH:
            _insert_seen(connection, waiting)
            waiting = []
    if waiting:
        _insert_seen(connection, waiting)


def _insert_seen(connection: sa.Connection, rows: list[dict[str, object]]) -> None:
    columns = "video_id, run_id, start_s, end_s, kind, reason"
    values = ", ".join(f":{name}" for name in columns.split(", "))
    connection.execute(sa.text(f"INSERT INTO seen ({columns}) VALUES ({values})"), rows)
