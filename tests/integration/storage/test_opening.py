"""A home that can't be used as it is says so in one sentence with the next step."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from grounding.errors import StorageError
from storage import Database, commit_segment
from storage.backup import backup, restore
from storage.checking import check
from storage.mounts import file_system_of, refuse_network_disk
from storage.schema import Library
from storage.versions import CURRENT
from tests.rows import add_job, segment_rows

ROOT = Path(__file__).parents[3]


def make_home(home: Path) -> Path:
    """A home with one committed segment; gives the database file."""
    with Database.open(home, create=True) as db, db.writing() as session:
        job = add_job(session)
        commit_segment(session, job.segments[0].id, segment_rows(job.questions[0].id))
    return home / "proofreel.db"


def set_version(path: Path, version: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))


def test_reading_needs_an_index(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no index in .*run `proofreel index`"):
        Database.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_opening_twice_changes_nothing(tmp_path: Path) -> None:
    path = make_home(tmp_path)
    before = path.read_bytes()
    Database.open(tmp_path, create=True).close()
    Database.open(tmp_path).close()
    assert path.read_bytes() == before
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("create", [False, True])
def test_a_newer_schema_is_refused(tmp_path: Path, create: bool) -> None:
    path = make_home(tmp_path)
    set_version(path, "9999")
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"newer Proofreel .*schema 9999.*update"):
        Database.open(tmp_path, create=create)
    assert path.read_bytes() == before
    assert not (tmp_path / "backups").exists()


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path, create: bool) -> None:
    (tmp_path / "proofreel.db").write_bytes(b"a shopping list, long enough to be looked at" * 30)
    with pytest.raises(StorageError, match="not a Proofreel database"):
        Database.open(tmp_path, create=create)
    assert (tmp_path / "proofreel.db").read_bytes().startswith(b"a shopping list")


@pytest.mark.parametrize("create", [False, True])
def test_a_database_of_something_else_is_refused(tmp_path: Path, create: bool) -> None:
    with closing(sqlite3.connect(tmp_path / "proofreel.db")) as connection, connection:
        connection.execute("CREATE TABLE recipes (id INTEGER)")
    with pytest.raises(StorageError, match="not a Proofreel database"):
        Database.open(tmp_path, create=create)


def test_an_empty_file_is_filled_by_index_and_refused_by_search(tmp_path: Path) -> None:
    (tmp_path / "proofreel.db").touch()
    with pytest.raises(StorageError, match="not a Proofreel database"):
        Database.open(tmp_path)
    Database.open(tmp_path, create=True).close()
    Database.open(tmp_path).close()


def test_a_damaged_database_is_told_apart(tmp_path: Path) -> None:
    path = make_home(tmp_path)
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = os.urandom(64)
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"damaged.*proofreel db restore"), Database.open(tmp_path) as db:
        with db.reading() as session:
            session.scalars(select(Library)).all()
        assert not check(db).findings


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StorageError, match="--home"):
        Database.open(tmp_path / "home", create=True)


UNPRIVILEGED = """
import os, sys
from pathlib import Path
import sqlalchemy.dialects.sqlite.pysqlite
from sqlalchemy import text
from storage import Database
from storage.checking import check
if os.getuid() == 0:  # mode bits don't bind root
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
"""
CREATE = "Database.open(Path(sys.argv[1]), create=True)"
COUNT = """
with Database.open(Path(sys.argv[1])) as db, db.reading() as session:
    print(session.scalar(text("SELECT count(*) FROM moment")))
"""


def unprivileged(code: str, *, home: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code as a user whom a folder's mode bits do bind."""
    command = [sys.executable, "-c", UNPRIVILEGED + code, str(home)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_a_read_only_home_can_be_searched_but_not_indexed_into() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        path = make_home(home)
        path.chmod(0o444)
        home.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH)
        found, refused = unprivileged(COUNT, home=home), unprivileged(CREATE, home=home)
        home.chmod(0o755)
    assert found.stdout == "2\n", found.stderr
    assert "StorageError" in refused.stderr
    assert "make the folder writable or give another --home" in refused.stderr


CHECK = """
with Database.open(Path(sys.argv[1])) as db:
    checked = check(db)
print([finding.what for finding in checked.findings])
print(*checked.not_checked)
"""


@pytest.mark.parametrize("folder_mode", [0o555, 0o777], ids=["folder", "file"])
def test_a_read_only_home_is_checked_as_far_as_that_goes_without_a_false_alarm(folder_mode: int) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        home = Path(folder) / "home"
        path = make_home(home)
        path.chmod(0o444)
        home.chmod(folder_mode)
        sound = unprivileged(CHECK, home=home)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM box")
        broken = unprivileged(CHECK, home=home)
        home.chmod(0o755)
    not_checked = (
        "whether the full-text index is in step with the moments: that needs a home that can be written"
    )
    assert sound.stdout.startswith(f"[]\n{not_checked}"), sound.stderr
    assert broken.stdout.startswith(f"['claims without a box']\n{not_checked}"), broken.stderr


def test_a_database_url_names_a_local_sqlite_file(tmp_path: Path) -> None:
    with Database.open(Path("unused"), url=f"sqlite:///{tmp_path / 'proofreel.db'}", create=True) as db:
        assert db.home == tmp_path
    for url in ("postgresql://u:secret@host/db", "sqlite://", f"sqlite:///{tmp_path / 'other.db'}"):
        with pytest.raises(ValueError, match="database URL") as caught:
            Database.open(tmp_path, url=url)
        assert "secret" not in str(caught.value)


MOUNTS = """/dev/vda / ext4 rw 0 0
server:/x /mnt/with\\040space nfs4 rw 0 0
/dev/vdb /mnt/with\\040space/local xfs rw 0 0
tmpfs /mnt/stack tmpfs rw 0 0
host:/y /mnt/stack fuse.sshfs rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/a", "ext4"),
        ("/mnt/with space/home", "nfs4"),
        ("/mnt/with space", "nfs4"),
        ("/mnt/with spaces", "ext4"),
        ("/mnt/with space/local/home", "xfs"),
        ("/mnt/stack/home", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_folder_is_that_of_its_last_mount(folder: str, kind: str) -> None:
    assert file_system_of(Path(folder), table=MOUNTS) == kind


def test_a_network_disk_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS)
    with pytest.raises(StorageError, match=r"network file system \(nfs4\).*local disk"):
        refuse_network_disk(Path("/mnt/with space/home"), mounts=table)
    refuse_network_disk(Path("/mnt/with space/local"), mounts=table)
    refuse_network_disk(tmp_path)


def test_a_backup_made_while_writing_can_be_restored(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy.db"
    make_home(home)
    with Database.open(home) as db:
        with db.writing() as session:
            session.add(Library(name="not committed", created_at="now"))
            session.flush()
            backup(db, copy)
        with db.writing() as session:
            session.add(Library(name="after the backup", created_at="now"))
        with pytest.raises(ValueError, match="exists"):
            backup(db, copy)
        kept = restore(home, copy)
        with db.reading() as session:
            assert session.scalars(select(Library.name)).all() == ["default"]
        assert check(db).findings == ()
    assert kept is not None
    with closing(sqlite3.connect(kept)) as connection:
        assert ("after the backup",) in connection.execute("SELECT name FROM library").fetchall()


def test_a_damaged_home_is_restored_and_the_damage_kept(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy.db"
    path = make_home(home)
    with Database.open(home) as db:
        backup(db, copy)
    path.write_bytes(b"not a database at all" * 1000)
    kept = restore(home, copy)
    assert kept is not None and kept.read_bytes().startswith(b"not a database")
    with Database.open(home) as db:
        assert check(db).findings == ()


def test_only_a_sound_copy_of_ours_is_restored(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy.db"
    path = make_home(home)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="no backup"):
        restore(home, copy)
    copy.write_bytes(b"junk" * 5000)
    with pytest.raises(StorageError, match=r"no copy of a Proofreel database; give the file that .* made"):
        restore(home, copy)
    copy.write_bytes(before)
    set_version(copy, "9999")
    with pytest.raises(StorageError, match="newer"):
        restore(home, copy)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        ("DELETE FROM box", "claims without a box"),
        ("DELETE FROM answer", "rows without their parent"),
        ("UPDATE segment SET state = 'pending'", "rows of segments that are not done"),
        ("UPDATE segment SET state = 'done'", "segments done without an answer"),
        ("UPDATE job SET state = 'done'", "jobs done with segments pending"),
        ("UPDATE embedding SET vector = x'00'", "vectors of an odd length"),
        ("UPDATE seen SET end_s = end_s - 1", "sums of coverage out of step with it"),
        ("INSERT INTO moment_fts (moment_fts, rowid, text) VALUES ('delete', 1, 'x y z')", "full-text"),
    ],
)
def test_check_names_what_is_wrong(tmp_path: Path, damage: str, what: str) -> None:
    path = make_home(tmp_path)
    with Database.open(tmp_path) as db:
        assert check(db).findings == ()
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(damage)
        assert any(finding.what.startswith(what) for finding in check(db).findings)


def test_the_schema_in_the_file_is_the_current_one(tmp_path: Path) -> None:
    path = make_home(tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(CURRENT,)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
