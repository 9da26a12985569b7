"""Where the truth of a home lies: in its own SQLite file, or in a PostgreSQL database that a URL names.

A home that was used with a PostgreSQL database remembers its URL, without the password, and is never used
with another database by mistake: its vectors are that one's.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from grounding.errors import StorageError, printable
from storage.failures import told

FILE_NAME = "proofreel.db"
URL_NAME = "database.url"
DRIVER = "postgresql+psycopg"
FORM = "postgresql+psycopg://USER@HOST/NAME"

_SECRET = ("password", "passfile", "sslpassword")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A home and, when its database is on a server, the URL of that; never print the URL, but `label`."""

    home: Path
    url: sa.URL | None

    @property
    def path(self) -> Path:
        """The file of a home that keeps its truth in SQLite."""
        return self.home / FILE_NAME

    @property
    def label(self) -> str:
        """How it is named to people; a URL without its password."""
        return printable(self.path) if self.url is None else printable(_shown(self.url))


def address_of(home: Path, url: str | None) -> Address:
    """The database of `home`: the one at `url`, else the one that it remembers, else its SQLite file.

    Raises ValueError for a URL of another kind; `StorageError` for a home that belongs to another database.
    """
    home = home.absolute()
    remembered = _remembered(home)
    if url is None:
        return Address(home=home, url=remembered)
    named = _parsed(url)
    if remembered is not None and _place(remembered) != _place(named):
        raise StorageError(
            f"{printable(home)} belongs to {printable(_shown(remembered))}, not to "
            f"{printable(_shown(named))}; give another --home, or delete {URL_NAME} in it if that database "
            "has moved"
        )
    if (home / FILE_NAME).exists():
        raise StorageError(
            f"{printable(home)} keeps its data in {FILE_NAME}; give another --home for "
            f"{printable(_shown(named))}"
        )
    return Address(home=home, url=named)


def remember(address: Address) -> None:
    """Write into the home which database is its, for every command to come."""
    path = address.home / URL_NAME
    if address.url is None or path.exists():
        return
    partial = path.with_name(f"{URL_NAME}.{os.getpid()}.partial")
    with told(address.home):
        partial.write_text(_shown(address.url) + "\n", encoding="utf-8")
        partial.replace(path)


def _remembered(home: Path) -> sa.URL | None:
    path = home / URL_NAME
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"{printable(path)} can't be read ({error.strerror})") from error
    return _parsed(text)


def _parsed(text: str) -> sa.URL:
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(f"that is no database URL; it needs the form {FORM}") from None
    if url.drivername not in ("postgresql", DRIVER) or not url.database:
        raise ValueError(
            f"a database URL needs the form {FORM}, not {_shown(url)!r}; without one a home keeps its data "
            "in SQLite"
        )
    return url.set(drivername=DRIVER)


def without_secrets(url: sa.URL) -> sa.URL:
    """The URL without what nobody may read."""
    return url._replace(password=None).difference_update_query(_SECRET)


def _shown(url: sa.URL) -> str:
    return without_secrets(url).render_as_string()


def _place(url: sa.URL) -> tuple[object, ...]:
    """What makes two URLs name one database, whoever asks."""
    return url.host or url.query.get("host"), url.port or url.query.get("port"), url.database
