"""The migrations lead to `storage.schema`, from nothing and from every schema that was released."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from grounding.errors import StorageError
from storage import Database
from storage.checking import check
from storage.migrations.comparing import differences, is_ours
from storage.schema import Base
from storage.versions import CURRENT, REVISIONS
from tests import frozen_schemas

FROZEN = sorted(frozen_schemas.FOLDER.glob("*.sql"))


def details(engine: sa.Engine) -> dict[str, object]:
    """What Alembic doesn't compare: checks, and whether ids are ever given twice."""
    inspector = sa.inspect(engine)
    with engine.connect() as connection:
        tables = connection.exec_driver_sql(
            "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE type = 'table'"
            " AND name <> 'alembic_version' AND name NOT LIKE 'sqlite_%'"
        ).all()
    return {
        name: (
            autoincrement,
            sorted((c["name"] or "", c["sqltext"]) for c in inspector.get_check_constraints(name)),
        )
        for name, autoincrement in tables
        if is_ours(None, name, "table", True, None)
    }


def assert_current(path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{path}")
    plain = sa.create_engine("sqlite://", poolclass=sa.StaticPool)
    Base.metadata.create_all(plain)
    with engine.connect() as connection:
        assert differences(connection) == []
    assert details(engine) == details(plain)
    engine.dispose()
    plain.dispose()


def test_the_migrations_from_nothing_lead_to_the_schema(tmp_path: Path) -> None:
    Database.open(tmp_path, create=True).close()
    assert_current(tmp_path / "proofreel.db")


def test_a_difference_would_be_seen(tmp_path: Path) -> None:
    Database.open(tmp_path, create=True).close()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'proofreel.db'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE video ADD COLUMN colour TEXT")
    with engine.connect() as connection:
        assert [change[0] for change in differences(connection)] == ["remove_column"]
    engine.dispose()


@pytest.mark.parametrize("copy", FROZEN, ids=lambda copy: copy.stem)
def test_every_released_schema_is_upgraded_and_keeps_its_rows(tmp_path: Path, copy: Path) -> None:
    frozen_schemas.load(copy, tmp_path / "proofreel.db")
    Database.open(tmp_path, create=True).close()
    assert_current(tmp_path / "proofreel.db")
    with Database.open(tmp_path) as db:
        assert check(db).findings == ()
        with db.reading() as session:
            found = session.execute(
                sa.text("SELECT text FROM moment_fts WHERE moment_fts MATCH 'riding bicycles'")
            ).all()
    assert len(found) == 2
    assert (tmp_path / "backups").exists() == (copy.stem != CURRENT)


def test_the_newest_schema_has_a_frozen_copy_and_did_not_change_since(tmp_path: Path) -> None:
    Database.open(tmp_path, create=True).close()
    frozen_schemas.load(frozen_schemas.FOLDER / f"{CURRENT}.sql", tmp_path / "frozen.db")
    made = frozen_schemas.schema_of(tmp_path / "proofreel.db")
    assert sorted(frozen_schemas.schema_of(tmp_path / "frozen.db")) == sorted(made)
    assert [copy.stem for copy in FROZEN] == list(REVISIONS)


def test_the_revisions_are_those_of_the_migrations() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(script.revision for script in scripts.walk_revisions())[::-1] == REVISIONS
    assert scripts.get_heads() == [CURRENT]


def older_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the current schema, and a program that has come to know a newer one."""
    path = home / "proofreel.db"
    frozen_schemas.load(frozen_schemas.FOLDER / f"{CURRENT}.sql", path)
    for module in ("versions", "upgrading"):
        monkeypatch.setattr(f"storage.{module}.CURRENT", "9999")
    monkeypatch.setattr("storage.versions.REVISIONS", (CURRENT, "9999"))
    return path


def migrate_to_9999(*, fail: bool) -> object:
    def upgrade(config: object, _to: str) -> None:
        connection = config.attributes["connection"]  # type: ignore[attr-defined]
        connection.exec_driver_sql("ALTER TABLE video ADD COLUMN colour TEXT")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        if fail:
            raise StorageError("stop")

    return upgrade


def test_a_reader_of_an_older_schema_is_told_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older_home(tmp_path, monkeypatch)
    with pytest.raises(
        StorageError, match=rf"older schema {CURRENT}; run `proofreel db upgrade --home .*backup"
    ):
        Database.open(tmp_path)


def test_the_writer_upgrades_after_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older_home(tmp_path, monkeypatch)
    monkeypatch.setattr("alembic.command.upgrade", migrate_to_9999(fail=False))
    with Database.open(tmp_path, create=True) as db, db.reading() as session:
        assert session.scalar(sa.text("SELECT count(colour) FROM video")) == 0
    (kept,) = (tmp_path / "backups").iterdir()
    with closing(sqlite3.connect(kept)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (CURRENT,)
        assert connection.execute("SELECT count(*) FROM moment").fetchone() == (2,)


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = older_home(tmp_path, monkeypatch)
    before = frozen_schemas.dump(path)
    monkeypatch.setattr("alembic.command.upgrade", migrate_to_9999(fail=True))
    with pytest.raises(StorageError, match="stop"):
        Database.open(tmp_path, create=True)
    assert frozen_schemas.dump(path) == before


def test_the_full_text_index_follows_every_change(tmp_path: Path) -> None:
    path = tmp_path / "proofreel.db"
    frozen_schemas.load(frozen_schemas.FOLDER / f"{CURRENT}.sql", path)

    def found(word: str) -> list[tuple[int]]:
        return connection.execute("SELECT rowid FROM moment_fts WHERE moment_fts MATCH ?", (word,)).fetchall()

    with closing(sqlite3.connect(path)) as connection:
        assert found("rides") == found("riding") == [(1,), (2,)]
        connection.execute("UPDATE moment SET text = 'a tram stops' WHERE id = 2")
        assert (found("ride"), found("trams")) == ([(1,)], [(2,)])
        connection.execute("DELETE FROM moment WHERE id = 2")
        assert found("tram") == []
        connection.execute("INSERT INTO moment_fts (moment_fts, rank) VALUES ('integrity-check', 1)")


def test_a_moment_id_is_never_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "proofreel.db"
    frozen_schemas.load(frozen_schemas.FOLDER / f"{CURRENT}.sql", path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM moment WHERE id = 2")
        connection.execute(
            "INSERT INTO moment (video_id, answer_id, run_id, start_s, end_s, start_pts, end_pts, text,"
            " source) VALUES (1, 1, 1, 0, 1, 0, 1, 'x', 'answer')"
        )
        assert connection.execute("SELECT max(id) FROM moment").fetchone() == (3,)
