"""Copies of a PostgreSQL database, by the programs that come with it: `pg_dump`, `pg_restore`, `psql`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from grounding.errors import StorageError, printable
from storage import postgres
from storage.address import Address, without_secrets
from storage.failures import told
from storage.postgres import Lock
from storage.schema import Base
from storage.versions import refuse_newer, stored_version

_VERSION_TABLE = "alembic_version"
_BUSY = "another proofreel is indexing into it; wait until it is done"


def dump(address: Address, out: Path) -> None:
    """Write a copy to `out`, as of one moment; it is there whole, or not at all."""
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    what = ["--format=custom", "--no-owner", "--no-privileges", f"--file={partial}"]
    with told(out):
        try:
            _run("pg_dump", *what, *_connection(address), address=address)
            with partial.open("rb+") as file:
                os.fsync(file.fileno())
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)


def restore(address: Address, copy: Path, *, keep: Callable[[], Path]) -> Path | None:
    """Put a copy in the place of everything that is ours; gives what `keep` made of it before, or None.

    One transaction: who reads meanwhile sees the old rows or the new ones. Raises `StorageError` for what is
    no copy of ours or a newer Proofreel's, and while anybody is indexing.
    """
    refuse_newer(_version_in(copy), label=printable(copy))
    engine = postgres.engine(address, writes=True)
    try:
        with postgres.held(engine, Lock.DRIVERS, label=address.label, busy=_BUSY):
            with engine.connect() as connection:
                there = stored_version(connection) is not None
            kept = keep() if there else None
            _put_back(address, copy)
            return kept
    finally:
        engine.dispose()


def _put_back(address: Address, copy: Path) -> None:
    tables = [_VERSION_TABLE, *Base.metadata.tables]
    drop = f"DROP TABLE IF EXISTS {', '.join(tables)} CASCADE;"
    drop += "DROP TEXT SEARCH CONFIGURATION IF EXISTS proofreel CASCADE;"
    drop += "DROP TEXT SEARCH DICTIONARY IF EXISTS proofreel_stem CASCADE"
    quiet = ["--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--single-transaction"]
    read = ["pg_restore", "--file=-", "--no-owner", "--no-privileges", str(copy)]
    write = ["psql", *quiet, *_connection(address), f"--command={drop}", "--file=-"]
    with _started(read, stdout=subprocess.PIPE) as (reader, read_errors):
        with _started(write, stdin=subprocess.PIPE, env=_environment(address)) as (writer, write_errors):
            assert reader.stdout is not None and writer.stdin is not None
            with suppress(BrokenPipeError):  # then it says why, below
                shutil.copyfileobj(reader.stdout, writer.stdin)
            if reader.wait() != 0:
                writer.kill()  # before it sees the end of the script, and commits half of it
            with suppress(BrokenPipeError):
                writer.stdin.close()
            _require_done("psql", writer.wait(), write_errors)
        _require_done("pg_restore", reader.returncode, read_errors)


def _version_in(copy: Path) -> str:
    """The schema of a copy, read from its own version table."""
    try:
        data = _run(
            "pg_restore", "--file=-", "--data-only", f"--table={_VERSION_TABLE}", str(copy), address=None
        )
    except StorageError as error:
        raise StorageError(
            f"{printable(copy)} is no copy of a PostgreSQL database, or a damaged one ({error}); "
            "give the file that `proofreel db backup` made"
        ) from error
    lines = data.decode().splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith("COPY ")), None)
    if start is None:
        raise StorageError(
            f"{printable(copy)} is no copy of a Proofreel database; "
            "give the file that `proofreel db backup` made"
        )
    return lines[start + 1].strip()


def _connection(address: Address) -> list[str]:
    """The database's URL as libpq reads it, for a program's arguments: without the password."""
    assert address.url is not None
    plain = without_secrets(address.url).set(drivername="postgresql")
    return [f"--dbname={plain.render_as_string()}"]


def _run(program: str, *arguments: str, address: Address | None) -> bytes:
    command = [program, *arguments]
    with _started(command, stdout=subprocess.PIPE, env=_environment(address)) as (process, errors):
        said, _ = process.communicate()
        _require_done(program, process.returncode, errors)
    return said


@contextmanager
def _started(command: list[str], **options: Any) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A process whose errors go into a file, so that nobody has to read them while it runs."""
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(command, stderr=errors, **options)
        except FileNotFoundError as error:
            raise StorageError(
                f"there is no {command[0]} here; install PostgreSQL's own programs (postgresql-client), "
                "no older than the server"
            ) from error
        try:
            yield process, errors
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _require_done(program: str, returncode: int, errors: IO[bytes]) -> None:
    if returncode != 0:
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines() or ["it was stopped"]
        raise StorageError(f"{program} failed: {printable(said[0])}")


def _environment(address: Address | None) -> dict[str, str]:
    """A password goes this way: a program's arguments can be read by every user of the machine."""
    url = None if address is None else address.url
    password = None if url is None else url.password or url.query.get("password")
    return {**os.environ, **({} if password is None else {"PGPASSWORD": str(password)})}
