"""The first schema: all tables, and the full-text index over the texts of moments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for create in (
        _library,
        _question,
        _run,
        _vector_generation,
        _video,
        _file,
        _job,
        _attempt,
        _job_question,
        _segment,
        _answer,
        _coverage,
        _screen_text,
        _track,
        _moment,
        _claim,
        _embedding,
        _box,
        _full_text,
    ):
        create()


def _library() -> None:
    op.create_table(
        "library",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_library")),
        sa.UniqueConstraint("name", name=op.f("uq_library_name")),
    )


def _question() -> None:
    op.create_table(
        "question",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("task", _TEXT, nullable=False),
        sa.Column("text", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question")),
        sa.UniqueConstraint("task", "text", name=op.f("uq_question_task_text")),
    )


def _run() -> None:
    op.create_table(
        "run",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("fingerprint", _TEXT, nullable=False),
        sa.Column("engine", _TEXT, nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_run_fingerprint")),
    )


def _vector_generation() -> None:
    op.create_table(
        "vector_generation",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("file_name", _TEXT, nullable=False),
        sa.Column("checksum", _TEXT, nullable=False),
        sa.Column("embedder", _TEXT, nullable=False),
        sa.Column("dimension", _WHOLE, nullable=False),
        sa.Column("num_vectors", _WHOLE, nullable=False),
        sa.Column("last_moment_id", _WHOLE, nullable=False),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vector_generation")),
        sa.UniqueConstraint("file_name", name=op.f("uq_vector_generation_file_name")),
    )


def _video() -> None:
    op.create_table(
        "video",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("content_hash", _TEXT, nullable=False),
        sa.Column("size_bytes", _WHOLE, nullable=False),
        sa.Column("container", _TEXT, nullable=False),
        sa.Column("codec", _TEXT, nullable=False),
        sa.Column("width", _WHOLE, nullable=False),
        sa.Column("height", _WHOLE, nullable=False),
        sa.Column("rotation", _WHOLE, nullable=False),
        sa.Column("time_base_num", _WHOLE, nullable=False),
        sa.Column("time_base_den", _WHOLE, nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("num_frames", _WHOLE, nullable=False),
        sa.Column("has_audio", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", _TEXT, nullable=True),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_video")),
        sa.UniqueConstraint("content_hash", name=op.f("uq_video_content_hash")),
    )


def _file() -> None:
    op.create_table(
        "file",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("library_id", _WHOLE, nullable=False),
        sa.Column("video_id", _WHOLE, nullable=True),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("size_bytes", _WHOLE, nullable=False),
        sa.Column("mtime_ns", _WHOLE, nullable=False),
        sa.Column("reason", _TEXT, nullable=True),
        sa.Column("seen_at", _TEXT, nullable=False),
        sa.Column("missing_since", _TEXT, nullable=True),
        sa.ForeignKeyConstraint(["library_id"], ["library.id"], name=op.f("fk_file_library_id_library")),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=op.f("fk_file_video_id_video")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_file")),
        sa.UniqueConstraint("library_id", "path", name=op.f("uq_file_library_id_path")),
    )
    op.create_index(op.f("ix_file_video_id"), "file", ["video_id"])


def _job() -> None:
    op.create_table(
        "job",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("video_id", _WHOLE, nullable=False),
        sa.Column("question_set", _TEXT, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=True),
        sa.Column("created_at", _TEXT, nullable=False),
        sa.Column("finished_at", _TEXT, nullable=True),
        sa.CheckConstraint("state IN ('pending', 'done', 'quarantined')", name=op.f("ck_job_state")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_job_run_id_run")),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=op.f("fk_job_video_id_video")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint(
            "video_id", "question_set", "run_id", name=op.f("uq_job_video_id_question_set_run_id")
        ),
    )
    op.create_index(op.f("ix_job_state"), "job", ["state"])


def _attempt() -> None:
    op.create_table(
        "attempt",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("job_id", _WHOLE, nullable=False),
        sa.Column("outcome", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=True),
        sa.Column("started_at", _TEXT, nullable=False),
        sa.Column("cost_s", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_attempt_job_id_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_job_id"), "attempt", ["job_id"])


def _job_question() -> None:
    op.create_table(
        "job_question",
        sa.Column("job_id", _WHOLE, nullable=False),
        sa.Column("question_id", _WHOLE, nullable=False),
        sa.Column("position", _WHOLE, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_job_question_job_id_job")),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_job_question_question_id_question")
        ),
        sa.PrimaryKeyConstraint("job_id", "question_id", name=op.f("pk_job_question")),
        sa.UniqueConstraint("job_id", "position", name=op.f("uq_job_question_job_id_position")),
    )


def _segment() -> None:
    op.create_table(
        "segment",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("job_id", _WHOLE, nullable=False),
        sa.Column("position", _WHOLE, nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("committed_at", _TEXT, nullable=True),
        sa.CheckConstraint("state IN ('pending', 'done')", name=op.f("ck_segment_state")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_segment_job_id_job")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_segment")),
        sa.UniqueConstraint("job_id", "position", name=op.f("uq_segment_job_id_position")),
    )


def _answer() -> None:
    op.create_table(
        "answer",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("segment_id", _WHOLE, nullable=False),
        sa.Column("question_id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("raw", _TEXT, nullable=False),
        sa.Column("text", _TEXT, nullable=False),
        sa.Column("abstained", sa.Boolean(), nullable=False),
        sa.Column("reason", _TEXT, nullable=True),
        sa.Column("mean_logprob", sa.Double(), nullable=True),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["question_id"], ["question.id"], name=op.f("fk_answer_question_id_question")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_answer_run_id_run")),
        sa.ForeignKeyConstraint(["segment_id"], ["segment.id"], name=op.f("fk_answer_segment_id_segment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
        sa.UniqueConstraint("segment_id", "question_id", name=op.f("uq_answer_segment_id_question_id")),
    )


def _coverage() -> None:
    op.create_table(
        "coverage",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("segment_id", _WHOLE, nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("num_frames", _WHOLE, nullable=False),
        sa.Column("reason", _TEXT, nullable=True),
        sa.CheckConstraint(
            "kind IN ('sampled', 'still', 'damaged', 'skipped')", name=op.f("ck_coverage_kind")
        ),
        sa.ForeignKeyConstraint(["segment_id"], ["segment.id"], name=op.f("fk_coverage_segment_id_segment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coverage")),
    )
    op.create_index(op.f("ix_coverage_segment_id"), "coverage", ["segment_id"])


def _screen_text() -> None:
    op.create_table(
        "screen_text",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("segment_id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("text", _TEXT, nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("pts", _WHOLE, nullable=False),
        sa.Column("x1", sa.Double(), nullable=False),
        sa.Column("y1", sa.Double(), nullable=False),
        sa.Column("x2", sa.Double(), nullable=False),
        sa.Column("y2", sa.Double(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_screen_text_run_id_run")),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segment.id"], name=op.f("fk_screen_text_segment_id_segment")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screen_text")),
    )
    op.create_index(op.f("ix_screen_text_segment_id"), "screen_text", ["segment_id"])


def _track() -> None:
    op.create_table(
        "track",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("segment_id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("label", _TEXT, nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("points", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_track_run_id_run")),
        sa.ForeignKeyConstraint(["segment_id"], ["segment.id"], name=op.f("fk_track_segment_id_segment")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_track")),
    )
    op.create_index(op.f("ix_track_label"), "track", ["label"])
    op.create_index(op.f("ix_track_segment_id"), "track", ["segment_id"])


def _moment() -> None:
    op.create_table(
        "moment",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("video_id", _WHOLE, nullable=False),
        sa.Column("answer_id", _WHOLE, nullable=False),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("start_s", sa.Double(), nullable=False),
        sa.Column("end_s", sa.Double(), nullable=False),
        sa.Column("start_pts", _WHOLE, nullable=False),
        sa.Column("end_pts", _WHOLE, nullable=False),
        sa.Column("text", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.CheckConstraint("source IN ('statement', 'answer', 'screen_text')", name=op.f("ck_moment_source")),
        sa.ForeignKeyConstraint(["answer_id"], ["answer.id"], name=op.f("fk_moment_answer_id_answer")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_moment_run_id_run")),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name=op.f("fk_moment_video_id_video")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moment")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_moment_answer_id"), "moment", ["answer_id"])
    op.create_index(op.f("ix_moment_video_id_start_s"), "moment", ["video_id", "start_s"])


def _claim() -> None:
    op.create_table(
        "claim",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("answer_id", _WHOLE, nullable=False),
        sa.Column("moment_id", _WHOLE, nullable=True),
        sa.Column("run_id", _WHOLE, nullable=False),
        sa.Column("position", _WHOLE, nullable=False),
        sa.Column("subject", _TEXT, nullable=False),
        sa.Column("time_s", sa.Double(), nullable=False),
        sa.Column("pts", _WHOLE, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["answer_id"], ["answer.id"], name=op.f("fk_claim_answer_id_answer")),
        sa.ForeignKeyConstraint(["moment_id"], ["moment.id"], name=op.f("fk_claim_moment_id_moment")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_claim_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claim")),
        sa.UniqueConstraint("answer_id", "position", name=op.f("uq_claim_answer_id_position")),
    )
    op.create_index(op.f("ix_claim_moment_id"), "claim", ["moment_id"])
    op.create_index(op.f("ix_claim_subject"), "claim", ["subject"])


def _embedding() -> None:
    op.create_table(
        "embedding",
        sa.Column("moment_id", _WHOLE, nullable=False),
        sa.Column("embedder", _TEXT, nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["moment_id"], ["moment.id"], name=op.f("fk_embedding_moment_id_moment")),
        sa.PrimaryKeyConstraint("moment_id", name=op.f("pk_embedding")),
    )


def _box() -> None:
    op.create_table(
        "box",
        sa.Column("id", _WHOLE, nullable=False),
        sa.Column("claim_id", _WHOLE, nullable=False),
        sa.Column("position", _WHOLE, nullable=False),
        sa.Column("x1", sa.Double(), nullable=False),
        sa.Column("y1", sa.Double(), nullable=False),
        sa.Column("x2", sa.Double(), nullable=False),
        sa.Column("y2", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.id"], name=op.f("fk_box_claim_id_claim")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_box")),
        sa.UniqueConstraint("claim_id", "position", name=op.f("uq_box_claim_id_position")),
    )


def _full_text() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _full_text_in_postgresql()
    else:
        _full_text_in_sqlite()


def _full_text_in_postgresql() -> None:
    """`moment.words`, as FTS5 takes a text apart: runs of letters and digits without their accents, stemmed
    by Porter, none of them left out.
    """
    op.execute("CREATE TEXT SEARCH DICTIONARY proofreel_stem (TEMPLATE = snowball, LANGUAGE = porter)")
    op.execute("CREATE TEXT SEARCH CONFIGURATION proofreel (COPY = simple)")
    op.execute(
        "ALTER TEXT SEARCH CONFIGURATION proofreel"
        " ALTER MAPPING FOR asciiword, word, numword WITH proofreel_stem"
    )
    bare = r"""regexp_replace(normalize(text COLLATE "default", NFD), '[\u0300-\u036f]+', '', 'g')"""
    words = f"to_tsvector('proofreel', regexp_replace({bare}, '[^[:alnum:]]+', ' ', 'g'))"
    op.execute(sa.text(f"ALTER TABLE moment ADD COLUMN words tsvector GENERATED ALWAYS AS ({words}) STORED"))
    op.execute("CREATE INDEX moment_fts ON moment USING gin (words)")


def _full_text_in_sqlite() -> None:
    """`moment_fts` holds words only; the texts stay in `moment`, and triggers keep the two together."""
    op.execute(
        "CREATE VIRTUAL TABLE moment_fts USING fts5"
        "(text, content='moment', content_rowid='id', tokenize='porter unicode61')"
    )
    remove = "INSERT INTO moment_fts (moment_fts, rowid, text) VALUES ('delete', old.id, old.text);"
    add = "INSERT INTO moment_fts (rowid, text) VALUES (new.id, new.text);"
    op.execute(f"CREATE TRIGGER moment_fts_insert AFTER INSERT ON moment BEGIN {add} END")
    op.execute(f"CREATE TRIGGER moment_fts_delete AFTER DELETE ON moment BEGIN {remove} END")
    op.execute(
        f"CREATE TRIGGER moment_fts_update AFTER UPDATE OF id, text ON moment BEGIN {remove} {add} END"
    )
