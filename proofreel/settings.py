"""Settings: `proofreel.toml` (found upwards from here, or named), then `PROOFREEL_*`, then flags.

The file mirrors the command line: `home` and `database` at the top, then one table a command with the names
of its flags.

    home = "/srv/proofreel"
    database = "postgresql+psycopg://proofreel@db.example.org/proofreel"
    [index]
    library = "docks"
    question = ["is anyone on the loading bay?"]

A relative `home` in the file lies beside the file; in the environment, below the working directory. Libraries
stand in the file alone, and their relative paths lie beside it too:

    [libraries.docks]
    paths = ["/mnt/docks", "/mnt/yard/*/front"]
    packs = ["safety"]
    priority = 10

The same in the environment: `PROOFREEL_HOME=/srv/proofreel`, `PROOFREEL_INDEX__LIBRARY=docks`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from indexer.libraries import LibrarySettings
from storage.rows import Severity

PREFIX = "PROOFREEL_"
FILE_NAME = "proofreel.toml"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IndexTable(_Table):
    """Defaults of `proofreel index`."""

    library: str | None = None
    question: list[str] | None = None
    engine: str | None = None
    model: str | None = None
    prompts: str | None = None
    pack: list[str] | None = None
    until: str | None = None
    keep_free_gb: float | None = Field(default=None, ge=0.0)
    workers: int | None = Field(default=None, ge=1)
    executor: str | None = None
    address: str | None = None
    patience: float | None = Field(default=None, ge=1.0)
    beside: bool | None = None
    metrics_port: str | None = None
    metrics_file: str | None = None
    log_format: str | None = None


class WatchTable(_Table):
    """Defaults of `proofreel watch`."""

    engine: str | None = None
    model: str | None = None
    prompts: str | None = None
    still: float | None = Field(default=None, gt=0.0)
    rescan: float | None = Field(default=None, gt=0.0)
    keep_free_gb: float | None = Field(default=None, ge=0.0)
    workers: int | None = Field(default=None, ge=1)
    executor: str | None = None
    address: str | None = None
    patience: float | None = Field(default=None, ge=1.0)
    metrics_port: str | None = None
    metrics_file: str | None = None
    log_format: str | None = None


class AskTable(_Table):
    """Defaults of `proofreel ask`."""

    engine: str | None = None
    model: str | None = None
    prompts: str | None = None


class SearchTable(_Table):
    """Defaults of `proofreel search`."""

    library: str | None = None
    limit: int | None = Field(default=None, ge=1)
    min_score: float | None = Field(default=None, ge=0.0, le=1.0)


LibraryName = Annotated[str, Field(pattern=r"\S")]


class LibraryTable(_Table):
    """`[libraries.NAME]`: where its files lie, what is asked of them, how, and how long it is kept."""

    paths: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    questions: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    severity: dict[str, Severity] = {}
    engine: str | None = None
    model: str | None = None
    prompts: str | None = None
    rate_hz: float | None = Field(default=None, gt=0.0)
    priority: int = 0
    retention_days: float | None = Field(default=None, gt=0.0)

    def library(self, name: str, *, folder: Path) -> LibrarySettings:
        """These values with every path absolute; a relative one lies in `folder`."""
        values = self.model_dump(exclude={"paths", "packs", "model", "prompts"})
        model = self.model
        if model is not None and model.startswith((".", "~", "/")):  # else a hub's or a shipped name
            model = _beside(folder, model)
        return LibrarySettings(
            name=name,
            paths=tuple(_beside(folder, path) for path in self.paths),
            packs=tuple(_beside(folder, p) if p.endswith(".toml") else p for p in self.packs),
            model=model,
            prompts=None if self.prompts is None else Path(_beside(folder, self.prompts)),
            **values,
        )


def _beside(folder: Path, path: str) -> str:
    return os.path.abspath(folder / Path(path).expanduser())


class ReportTable(_Table):
    """Whom to tell how the night went. Secrets come from the environment alone."""

    webhook: str | None = None
    webhook_token: str | None = None
    email: str | list[str] | None = None
    smtp: str | None = None
    smtp_password: str | None = None
    sender: str | None = None

    def hooks(self) -> dict[str, Any]:
        """As `indexer.morning.hooks.Hooks` takes them; {} where nothing is set."""
        values = self.model_dump(exclude_none=True)
        if isinstance(self.email, str):
            values["email"] = [address.strip() for address in self.email.split(",")]
        return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}


SECRETS = {"report": ("webhook_token", "smtp_password")}
"""By table: settings that a file must not hold, because files are copied and shown."""


class SecretInFile(ValueError):
    """A settings file holds what belongs into the environment."""


class _SettingsFile(TomlConfigSettingsSource):
    """The file's values; a relative `home` lies beside the file, wherever the command is run."""

    def __call__(self) -> dict[str, Any]:
        values = super().__call__()
        for table, names in SECRETS.items():
            for name in names:
                if name in values.get(table, {}):
                    variable = f"{PREFIX}{table}__{name}".upper()
                    raise SecretInFile(f"[{table}] {name} is a secret; set {variable} in the environment")
        path = self.toml_file_path
        if isinstance(path, Path) and isinstance(values.get("home"), str):
            values = {**values, "home": path.parent / Path(values["home"]).expanduser()}
        return values


class Settings(BaseSettings):
    """Everything that a file or the environment may set. An unknown name is an error, never ignored."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, toml_file=None
    )

    home: Path | None = None
    database: str | None = None
    index: IndexTable = IndexTable()
    ask: AskTable = AskTable()
    search: SearchTable = SearchTable()
    watch: WatchTable = WatchTable()
    libraries: dict[LibraryName, LibraryTable] = {}
    report: ReportTable = ReportTable()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Earlier wins: the environment over the file. `toml_file` is given to the subclass made by `load`.
        return env_settings, _SettingsFile(settings_cls)

    def defaults_for(self, command: str) -> dict[str, Any]:
        """Default values of one command's flags, by parameter name; only those that were set."""
        table = getattr(self, command, None)
        if not isinstance(table, _Table) or isinstance(table, ReportTable):  # that one holds no flags
            table = _Table()
        shared = {"home": self.home, "database": self.database}
        values = table.model_dump(exclude_none=True)
        return {**{name: value for name, value in shared.items() if value is not None}, **values}

    @property
    def retention_days(self) -> dict[str, float]:
        """How long each library keeps what was made of its files, where it says so."""
        tables = self.libraries.items()
        return {name: table.retention_days for name, table in tables if table.retention_days is not None}

    def libraries_of(self, path: Path | None) -> tuple[LibrarySettings, ...]:
        """The libraries of the settings file at `path`."""
        folder = Path.cwd() if path is None else path.absolute().parent
        return tuple(table.library(name, folder=folder) for name, table in self.libraries.items())


def load(path: Path | None, *, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file at `path` (None: no file) and the environment.

    Raises ValueError, naming the file or variable, the bad value and what is allowed.
    """
    _reject_unknown_variables(os.environ if environment is None else environment)
    if path is not None and not path.is_file():
        raise ValueError(f"{path}: no such settings file; name an existing one with --config")

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return FromFile()
    except ValidationError as error:
        where = f"{path} or the environment" if path else "the environment"
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ValueError(
                f"{path}: no such setting {name!r}; allowed there: {', '.join(_keys_beside(first['loc']))}"
            ) from None
        raise ValueError(f"{where}: setting {name!r}: {first['msg']} (got {first['input']!r})") from None
    except SecretInFile as error:
        raise ValueError(f"{path}: {error}") from None
    except ValueError as error:  # not TOML
        raise ValueError(f"{path}: not a TOML file: {error}") from None


def _keys_beside(location: Sequence[int | str]) -> list[str]:
    """The names that may stand in the table of the setting at `location`."""
    table = Settings.model_fields[str(location[0])].annotation if len(location) > 1 else Settings
    table = LibraryTable if location[0] == "libraries" and len(location) > 1 else table
    assert isinstance(table, type) and issubclass(table, BaseModel)
    return sorted(table.model_fields)


def _reject_unknown_variables(environment: Mapping[str, str]) -> None:
    tables = {name: f.annotation for name, f in Settings.model_fields.items()}
    allowed = set()
    for name, kind in tables.items():
        if isinstance(kind, type) and issubclass(kind, _Table):
            allowed |= {f"{PREFIX}{name}__{key}".upper() for key in kind.model_fields}
        elif name != "libraries":
            allowed.add(f"{PREFIX}{name}".upper())
    for variable in environment:
        if variable.upper().startswith(PREFIX) and variable.upper() not in allowed:
            raise ValueError(f"{variable}: no such setting; allowed are {', '.join(sorted(allowed))}")
