"""What all tables share: how constraints are named, and which type of SQL each type of Python becomes."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, Double, Integer, LargeBinary, MetaData, Text
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {
        int: BigInteger().with_variant(Integer(), "sqlite"),
        float: Double,
        str: Text().with_variant(Text(collation="C"), "postgresql"),
        dict[str, Any]: JSON,
        list[Any]: JSON,
        bytes: LargeBinary,
    }
