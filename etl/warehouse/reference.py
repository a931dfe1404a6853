"""The tables of `ref`: administrative units, code lists, chapters and sections, filled from files at each migration."""

from __future__ import annotations

import polars as pl
import sqlalchemy as sa

from etl import datatypes
from etl.contract.bridges import Bridge, bridges
from etl.contract.codes import Code, code_lists
from etl.settings import REFERENCE


def add_tables(metadata: sa.MetaData) -> None:
    """Describe them in `metadata`."""
    sa.Table(
        "ward",
        metadata,
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("valid_from", sa.Date, primary_key=True),
        sa.Column("valid_to", sa.Date),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("district_code", sa.Text),
        sa.Column("district", sa.Text),
        sa.Column("province_code", sa.Text, nullable=False),
        sa.Column("province", sa.Text, nullable=False),
        schema="ref",
        comment="Administrative units and when they existed; a code alone means nothing, for reforms use one again",
    )
    sa.Table(
        "ward_link",
        metadata,
        sa.Column("old_code", sa.Text, primary_key=True),
        sa.Column("old_valid_from", sa.Date, primary_key=True),
        sa.Column("new_code", sa.Text, primary_key=True),
        sa.Column("new_valid_from", sa.Date, primary_key=True),
        sa.Column("targets", sa.Integer, nullable=False, comment="new units that the old one was divided among"),
        sa.Column("share", sa.Float, comment="of the old unit that the new one got, from 0 to 1; null: equal parts"),
        schema="ref",
        comment="Old unit to new unit of a reform, many to many",
    )
    sa.Table(
        "code",
        metadata,
        sa.Column("list", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("name_vi", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        schema="ref",
        comment="Code lists that the contracts name; of a code that has meant several things, the latest",
    )
    sa.Table(
        "code_period",
        metadata,
        sa.Column("list", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date, comment="the first day on which it means this; null: no beginning is known"),
        sa.Column("valid_to", sa.Date, comment="the first day on which it no longer does; null: it still does"),
        sa.Column("name_vi", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        schema="ref",
        comment="What each code meant and when; of a row's day, the one whose period holds it",
    )
    sa.Table(
        "code_bridge",
        metadata,
        sa.Column("old_list", sa.Text, primary_key=True),
        sa.Column("old_code", sa.Text, primary_key=True),
        sa.Column("new_list", sa.Text, primary_key=True),
        sa.Column("new_code", sa.Text, primary_key=True),
        sa.Column(
            "targets", sa.Integer, nullable=False, comment="new codes that the old one became; an estimate above 1"
        ),
        schema="ref",
        comment="Code of an older list, or of an older period of a list, to those of the newer one, many to many",
    )
    sa.Table(
        "icd10_chapter",
        metadata,
        sa.Column("chapter", sa.Text, primary_key=True),
        sa.Column("first_code", sa.Text, nullable=False),
        sa.Column("last_code", sa.Text, nullable=False),
        sa.Column("name_vi", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        schema="ref",
        comment="Chapters of ICD-10 by range of three-character codes",
    )
    sa.Table(
        "vsic_section",
        metadata,
        sa.Column("version", sa.Text, primary_key=True, comment="of the classification: 2018 or 2025"),
        sa.Column("section", sa.Text, primary_key=True, comment="a letter, which means another thing in each version"),
        sa.Column("first_division", sa.Text, nullable=False),
        sa.Column("last_division", sa.Text, nullable=False),
        sa.Column("name_vi", sa.Text, nullable=False),
        sa.Column("name_en", sa.Text, nullable=False),
        sa.Column("valid_from", sa.Date, nullable=False, comment="the first day of the version"),
        sa.Column("valid_to", sa.Date, comment="the first day on which it is in force no longer; null: it still is"),
        schema="ref",
        comment="Sections of VSIC by range of divisions, the first two digits of a class",
    )


def fill(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Write what the files hold in place of what the tables held, where that is something else."""
    codes = pl.DataFrame(
        [(name, *code) for name, its in code_lists().items() for code in its],
        ["list", *Code._fields],
        orient="row",
        infer_schema_length=None,
    )
    latest = codes.sort("valid_from", nulls_last=False, maintain_order=True)
    content = {
        "ref.ward": datatypes.ward.units(),
        "ref.ward_link": datatypes.ward.links(),
        "ref.code": latest.unique(["list", "code"], keep="last", maintain_order=True),
        "ref.code_period": codes,
        "ref.code_bridge": pl.DataFrame(bridges(), Bridge._fields, orient="row"),
        "ref.icd10_chapter": pl.read_csv(REFERENCE / "icd10_chapter.csv", infer_schema=False),
        "ref.vsic_section": pl.read_csv(REFERENCE / "vsic_section.csv", infer_schema=False).with_columns(
            pl.col("valid_from", "valid_to").str.to_date()
        ),
    }
    for name, rows in content.items():
        table = metadata.tables[name]
        wanted = rows.select(column.name for column in table.columns)
        if {tuple(row) for row in connection.execute(table.select())} != {*wanted.iter_rows()}:
            connection.execute(table.delete())
            if not wanted.is_empty():
                connection.execute(table.insert(), wanted.to_dicts())
