"""What PostgreSQL does in its own way: schema, upgrade, copies, checks, and what can't be used."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import func, select

from grounding.errors import StorageError
from storage import Database, Driver, commit_segment, driving, next_job
from storage.address import URL_NAME, address_of
from storage.backup import backup, restore
from storage.checking import check
from storage.migrations.comparing import differences
from storage.postgres import engine
from storage.schema import Answer, Base, Claim, Embedding, Job, Library, Moment, Segment
from storage.versions import CURRENT
from tests import frozen_schemas
from tests.homes import on_server
from tests.postgres import Server
from tests.rows import add_job, segment_rows

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
FROZEN = sorted(frozen_schemas.FOLDER.glob("*.postgresql.sql"))


@pytest.fixture
def server_home(postgres_server: Server, tmp_path: Path) -> Path:
    """Of a database that no other test gets: what is done to it here may not be undone."""
    database = postgres_server.create(template=postgres_server.template())
    return on_server(tmp_path / "home", postgres_server, database=database)


def make_home(home: Path) -> None:
    """An index with one committed segment."""
    with Database.open(home, create=True) as db, db.writing() as session:
        job = add_job(session)
        commit_segment(session, job.segments[0].id, segment_rows(job.questions[0].id))


def run_sql(home: Path, statement: str) -> list[tuple[object, ...]]:
    """As the database's owner, past all that we do."""
    made = engine(address_of(home, None), writes=True)
    with made.begin() as connection:
        result = connection.exec_driver_sql(statement)
        rows = [tuple(row) for row in result] if result.returns_rows else []
    made.dispose()
    return rows


def test_the_migrations_from_nothing_lead_to_the_schema(server_home: Path) -> None:
    made = engine(address_of(server_home, None), writes=True)
    with made.connect() as connection:
        assert differences(connection) == []
        checks = {
            (table, found["name"])
            for table in Base.metadata.tables
            for found in sa.inspect(connection).get_check_constraints(table)
        }
    wanted = {
        (name, constraint.name)
        for name, table in Base.metadata.tables.items()
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    }
    made.dispose()
    assert checks == wanted


def test_texts_are_compared_byte_by_byte(server_home: Path) -> None:
    query = "SELECT DISTINCT collation_name FROM information_schema.columns"
    query += " WHERE table_schema = 'public' AND data_type = 'text'"
    assert run_sql(server_home, query) == [("C",)]


def test_a_database_of_the_first_schema_is_upgraded_after_a_copy_and_keeps_its_rows(
    postgres_server: Server, tmp_path: Path
) -> None:
    home = on_server(tmp_path / "home", postgres_server, database=postgres_server.create())
    made = engine(address_of(home, None), writes=True)
    with made.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "storage:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for line in (frozen_schemas.FOLDER / "0001.sql").read_text().splitlines():
            if line.startswith("INSERT INTO") and "alembic_version" not in line:
                connection.exec_driver_sql(for_postgresql(line).replace("%", "%%"))
    made.dispose()
    with pytest.raises(StorageError, match="older schema 0001; run `proofreel db upgrade --home"):
        Database.open(home)
    with Database.open(home, create=True) as db:
        assert check(db).findings == ()
        with db.reading() as session:
            found = session.execute(
                sa.text("SELECT id FROM moment WHERE words @@ to_tsquery('proofreel', 'riding & bicycles')")
            ).all()
    assert len(found) == 2
    (kept,) = (home / "backups").iterdir()
    restore(home, kept)
    with pytest.raises(StorageError, match="older schema 0001"):
        Database.open(home)


def for_postgresql(insert: str) -> str:
    """A row as SQLite writes it: its blobs and truth values are numbers and texts elsewhere."""
    insert = insert.replace("X'", "'\\x")
    for table, place in (("answer", 6), ("video", 13)):
        if insert.startswith(f"INSERT INTO {table} "):
            head, values = insert.split("VALUES (", 1)
            parts = values.split(", ") if table == "video" else values.split(",")
            parts[place] = f"CAST({parts[place]} AS boolean)"
            insert = f"{head}VALUES ({(', ' if table == 'video' else ',').join(parts)}"
    return insert


@pytest.mark.parametrize("copy", FROZEN, ids=lambda copy: copy.name.split(".")[0])
def test_every_released_schema_is_opened_and_keeps_its_rows(
    copy: Path, postgres_server: Server, tmp_path: Path
) -> None:
    database = postgres_server.create()
    postgres_server.run_sql(database, copy.read_text())
    home = on_server(tmp_path / "home", postgres_server, database=database)
    with Database.open(home, create=True) as db:
        assert check(db).findings == ()
        with db.reading() as session:
            assert session.scalar(select(func.count()).select_from(Moment)) == 2
    assert (home / "backups").exists() == (f"{CURRENT}.postgresql.sql" != copy.name)


def test_the_newest_schema_has_a_frozen_copy_and_did_not_change_since(postgres_server: Server) -> None:
    database = postgres_server.create()
    postgres_server.run_sql(database, (frozen_schemas.FOLDER / f"{CURRENT}.postgresql.sql").read_text())
    assert postgres_server.schema_of(database) == postgres_server.schema_of(postgres_server.template())


def test_a_moment_id_is_never_given_twice(server_home: Path) -> None:
    make_home(server_home)
    run_sql(server_home, "DELETE FROM embedding; DELETE FROM box; DELETE FROM claim; DELETE FROM moment")
    with Database.open(server_home) as db, db.writing() as session:
        job = next_job(session, video_id=1, run_id=1, windows=[])
        assert job is not None
        commit_segment(session, job.segments[0].id, segment_rows(1))
        assert session.scalars(select(Moment.id).order_by(Moment.id)).all() == [3, 4]


def test_a_copy_made_while_writing_can_be_put_back(server_home: Path, tmp_path: Path) -> None:
    make_home(server_home)
    copy = tmp_path / "copy.dump"
    with Database.open(server_home) as db:
        with db.writing() as session:
            session.add(Library(name="not committed", created_at="now"))
            session.flush()
            backup(db, copy)
        with db.writing() as session:
            session.add(Library(name="after the backup", created_at="now"))
        with pytest.raises(ValueError, match="exists"):
            backup(db, copy)
        kept = restore(server_home, copy)
        with db.reading() as session:
            assert "after the backup" not in session.scalars(select(Library.name)).all()
        assert check(db).findings == ()
        assert kept is not None
        restore(server_home, kept)
        with db.reading() as session:
            assert "after the backup" in session.scalars(select(Library.name)).all()
    assert not [file for file in server_home.rglob("*.partial")]


def test_a_copy_is_put_into_an_empty_database(
    server_home: Path, postgres_server: Server, tmp_path: Path
) -> None:
    make_home(server_home)
    with Database.open(server_home) as db:
        backup(db, tmp_path / "copy.dump")
    other = tmp_path / "other"
    database = postgres_server.create()
    assert restore(other, tmp_path / "copy.dump", url=postgres_server.url(database)) is None
    with Database.open(other) as db, db.writing() as session:
        job = next_job(session, video_id=1, run_id=1, windows=[])
        assert job is not None and commit_segment(session, job.segments[0].id, segment_rows(1, seed=3))
        assert session.scalar(select(func.max(Moment.id))) == 4


def test_only_a_sound_copy_of_ours_is_put_back_and_nothing_changes_else(
    server_home: Path, postgres_server: Server, tmp_path: Path
) -> None:
    make_home(server_home)
    copy = tmp_path / "copy.dump"
    with Database.open(server_home) as db:
        backup(db, copy)
    whole = copy.read_bytes()
    run_sql(server_home, "UPDATE alembic_version SET version_num = '9999'")
    newer = tmp_path / "newer.dump"
    dump_of(postgres_server, server_home, newer)
    run_sql(server_home, f"UPDATE alembic_version SET version_num = '{CURRENT}'")
    strange = tmp_path / "strange.dump"
    dump_of(postgres_server, on_server(tmp_path / "s", postgres_server, database="postgres"), strange)
    cut = tmp_path / "cut.dump"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    junk = tmp_path / "junk"
    junk.write_bytes(b"junk" * 5000)
    for bad, told in (
        (newer, "newer"),
        (strange, "no copy of a Proofreel"),
        (cut, "pg_restore"),
        (junk, "no copy"),
    ):
        with pytest.raises(StorageError, match=told):
            restore(server_home, bad)
    with Database.open(server_home) as db:
        assert check(db).findings == ()
        with db.reading() as session:
            assert session.scalar(select(func.count()).select_from(Moment)) == 2


def dump_of(server: Server, home: Path, out: Path) -> None:
    url = address_of(home, None).url
    assert url is not None and url.database is not None
    command = [server.bin / "pg_dump", "-Fc", "-h", server.folder, "-U", "postgres", "-f", out, url.database]
    subprocess.run(command, check=True)


def test_nobody_puts_a_copy_back_under_a_driver_that_works(server_home: Path, tmp_path: Path) -> None:
    make_home(server_home)
    with driving(server_home) as db, driving(server_home):
        backup(db, tmp_path / "copy.dump")
        with pytest.raises(StorageError, match="another proofreel is indexing into it"):
            restore(server_home, tmp_path / "copy.dump")
    restore(server_home, tmp_path / "copy.dump")


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("DELETE FROM box", "claims without a box"),
        ("SET session_replication_role = replica; DELETE FROM answer", "rows without their parent"),
        ("UPDATE segment SET state = 'pending'", "rows of segments that are not done"),
        ("UPDATE segment SET state = 'done'", "segments done without an answer"),
        ("UPDATE job SET state = 'done'", "jobs done with segments pending"),
        ("UPDATE embedding SET vector = '\\x00'", "vectors of an odd length"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'moment_fts'::regclass", "damage"),
    ],
)
def test_check_names_what_is_wrong(server_home: Path, damage: str, what: str) -> None:
    make_home(server_home)
    with Database.open(server_home) as db:
        assert check(db).findings == ()
        run_sql(server_home, damage)
        assert any(finding.what.startswith(what) for finding in check(db).findings)


def test_the_words_of_a_moment_follow_every_change(server_home: Path) -> None:
    make_home(server_home)

    def found(word: str) -> list[object]:
        query = f"SELECT id FROM moment WHERE words @@ to_tsquery('proofreel', '{word}') ORDER BY id"
        return [row[0] for row in run_sql(server_home, query)]

    assert found("rides") == found("riding") == [1, 2]
    run_sql(server_home, "UPDATE moment SET text = 'a tram stops' WHERE id = 2")
    assert (found("ride"), found("trams")) == ([1], [2])


def test_a_password_works_and_is_written_and_printed_nowhere(
    postgres_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres_server.create()
    postgres_server.add_user_with_password("keeper", "s3cret", database=database)
    home, url = tmp_path / "home", postgres_server.url(database, user="keeper:s3cret")
    with Database.open(home, url=url, create=True) as db:
        assert "s3cret" not in db.label
        backup(db, tmp_path / "copy.dump")
    assert "s3cret" not in (home / URL_NAME).read_text()
    restore(home, tmp_path / "copy.dump", url=url)
    wrong = postgres_server.url(database, user="keeper:wr0ng")
    for bad in (wrong, None):
        with pytest.raises(StorageError, match=r"(?s)refuses|can't be reached") as caught:
            Database.open(home, url=bad)
        assert "wr0ng" not in str(caught.value) and "s3cret" not in str(caught.value)
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    Database.open(home).close()


def test_a_home_belongs_to_one_database(server_home: Path, postgres_server: Server) -> None:
    make_home(server_home)
    other = postgres_server.url(postgres_server.create())
    with pytest.raises(StorageError, match=r"belongs to .*, not to .*; give another --home"):
        Database.open(server_home, url=other, create=True)


def test_what_is_no_database_for_us_is_told_in_a_sentence(postgres_server: Server, tmp_path: Path) -> None:
    with postgres_server.connect() as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    for database, told in (
        ("nothing", "does not exist"),
        ("latin", "keeps texts as LATIN1.*createdb -E UTF8"),
        (with_a_table(postgres_server), "holds tables of something else"),
    ):
        with pytest.raises(StorageError, match=told):
            Database.open(tmp_path / database, url=postgres_server.url(database), create=True)
    empty = postgres_server.url(postgres_server.create())
    with pytest.raises(StorageError, match=r"no index in it; run `proofreel index`"):
        Database.open(tmp_path / "empty", url=empty)


def with_a_table(server: Server) -> str:
    database = server.create()
    with server.connect(database) as connection:
        connection.execute("CREATE TABLE recipes (id integer)")
    return database


def test_many_processes_may_fill_one_database_at_once(postgres_server: Server, tmp_path: Path) -> None:
    url = postgres_server.url(postgres_server.create())
    make = "import sys\nfrom pathlib import Path\nfrom storage import Database\n"
    make += "Database.open(Path(sys.argv[1]), url=sys.argv[2], create=True).close()"
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", make, tmp_path / str(i % 2), url], cwd=ROOT, stderr=subprocess.PIPE
        )
        for i in range(4)
    ]
    assert [(maker.communicate()[1], maker.returncode) for maker in makers] == [(b"", 0)] * 4


COMMIT_EVERYTHING = """
import sys
from pathlib import Path
from storage import Driver, commit_segment, driving, next_job
from tests.rows import segment_rows
with driving(Path(sys.argv[1])) as db, Driver(db) as driver:
    (lease,) = driver.claim(run_id=1)
    job = db.write(lambda session: next_job(session, video_id=1, run_id=1, windows=[], lease=lease))
    print("ready", flush=True)
    for segment in job.segments:
        rows = segment_rows(job.questions[0].id, num_moments=20, seed=segment.position)
        db.write(lambda session: commit_segment(session, segment.id, rows, lease=lease))
"""
NUM_SEGMENTS = 60


def committing(home: Path) -> subprocess.Popen[str]:
    """A driver that commits NUM_SEGMENTS segments, one after the other."""
    with Database.open(home, create=True) as db, db.writing() as session:
        add_job(session, num_segments=NUM_SEGMENTS)
    command = [sys.executable, "-c", COMMIT_EVERYTHING, home]
    driver = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert driver.stdout is not None and driver.stdout.readline() == "ready\n"
    return driver


def assert_all_once(home: Path) -> None:
    with Database.open(home) as db:
        assert check(db).findings == ()
        with db.reading() as session:
            assert session.scalar(select(func.count()).where(Segment.state == "done")) == NUM_SEGMENTS
            assert session.scalar(select(Job.state)) == "done"
            assert session.scalar(select(func.count()).select_from(Answer)) == NUM_SEGMENTS
            for table in (Moment, Embedding, Claim):
                assert session.scalar(select(func.count()).select_from(table)) == 20 * NUM_SEGMENTS


def test_connections_cut_off_at_any_moment_of_a_commit_lose_nothing_and_double_nothing(
    server_home: Path, postgres_server: Server
) -> None:
    driver = committing(server_home)
    cut = 0
    with postgres_server.connect() as connection:
        while driver.poll() is None:
            time.sleep(0.05)
            cut += connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = 'proofreel' AND state <> 'idle'"
            ).fetchone()[0]  # type: ignore[index]
    _, errors = driver.communicate()
    assert (driver.returncode, cut > 0) == (0, True), errors
    assert_all_once(server_home)


def test_a_server_that_dies_again_and_again_in_the_middle_is_waited_for(tmp_path: Path) -> None:
    server = Server()
    try:
        home = on_server(tmp_path / "home", server, database=server.create())
        driver = committing(home)
        for _ in range(4):
            time.sleep(0.15)
            server.stop("immediate")
            time.sleep(0.3)
            server.start()
        _, errors = driver.communicate(timeout=120)
        assert driver.returncode == 0, errors
        assert_all_once(home)
    finally:
        server.remove()


def test_a_driver_that_waited_too_long_for_its_server_says_so(tmp_path: Path) -> None:
    server = Server()
    home = on_server(tmp_path / "home", server, database=server.create())
    with Database.open(home, create=True) as db:
        db.patience_s = 0.6
        server.remove()
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(StorageError, match="the server can't be reached"), db.writing():
                pass
        assert time.monotonic() - started < 0.5, "who has given up does not wait again"


def test_the_database_of_a_reader_is_read_only(server_home: Path) -> None:
    make_home(server_home)
    with (
        Database.open(server_home) as db,
        pytest.raises(StorageError, match="can't be written"),
        db.reading() as session,
    ):
        session.execute(sa.text("DELETE FROM library"))


def test_a_driver_gives_its_jobs_back_when_it_ends(server_home: Path) -> None:
    with Database.open(server_home) as db:
        with db.writing() as session:
            add_job(session)
        with pytest.raises(RuntimeError, match="stop"), Driver(db) as driver:
            assert driver.claim(run_id=1)
            raise RuntimeError("stop")
        with Driver(db) as next_one:
            assert next_one.claim(run_id=1)
