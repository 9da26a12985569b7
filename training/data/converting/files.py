"""Files of annotations read with care: size, encoding and shape are checked before anything is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from grounding.errors import printable
from training.data.converting.tracks import MAX_BYTES

M = TypeVar("M", bound=BaseModel)


def checked(path: Path) -> Path:
    """The file, there and of a believable size. Raises ValueError otherwise."""
    if not path.is_file():
        raise ValueError(f"{printable(path)} is no file: give the file that the tool exported")
    with open(path, "rb") as stream:
        if stream.read(4) == b"PK\x03\x04":
            raise ValueError(f"{printable(path)} is a zip archive: unpack it, and give the file in it")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{printable(path)} has {size:,} bytes, over the cap of {MAX_BYTES:,}: split it")
    return path


def read_text(path: Path) -> str:
    """Its text. Raises ValueError where it isn't UTF-8."""
    try:
        return checked(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{printable(path)} is not UTF-8 (byte {error.start}): export it again") from None


def read_json(path: Path) -> Any:
    """Its value. Raises ValueError, with the line, where it isn't JSON."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{printable(path)} is broken JSON at line {error.lineno}: {error.msg}; export it again"
        ) from None
    except RecursionError:
        raise ValueError(f"{printable(path)} is nested too deeply to be what a tool exports") from None


def as_model(model: type[M], value: Any, where: str) -> M:
    """The value as that model. Raises ValueError, naming the field, where it is something else."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {field}: {first['msg'][0].lower()}{first['msg'][1:]}") from None
