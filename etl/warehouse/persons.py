"""The tables of `link`: who is who across agencies. Nobody reads them but the members of `citydw_linkage`."""

from __future__ import annotations

import sqlalchemy as sa

SCHEMA = "link"


def add_tables(metadata: sa.MetaData) -> None:
    """Describe them in `metadata`."""

    def pair() -> list[sa.Column[str]]:
        names = [f"{side}_{part}" for side in ("one", "other") for part in ("dataset", "role", "key")]
        return [sa.Column(name, sa.Text, primary_key=True) for name in names]

    sa.Table(
        "person",
        metadata,
        sa.Column("person", sa.Text, primary_key=True, comment="number that stays, of a person"),
        sa.Column("known_since", sa.DateTime(timezone=True), nullable=False, comment="arrival of the first delivery"),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("datasets", sa.BigInteger, nullable=False),
        schema=SCHEMA,
        comment="One row a person / Mỗi dòng là một người",
    )
    sa.Table(
        "person_record",
        metadata,
        sa.Column("dataset", sa.Text, primary_key=True, comment="agency.dataset"),
        sa.Column("role", sa.Text, primary_key=True, comment="of the person in the record; empty where it names one"),
        sa.Column("key", sa.Text, primary_key=True, comment="of the record: its key columns, parted by |"),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False, comment="an identifier, probable, decided, or alone"),
        sa.Column("probability", sa.Double, nullable=False, comment="that it is this person; 1 by an identifier"),
        sa.Column("known_since", sa.DateTime(timezone=True), nullable=False),
        sa.Index("person_record_person", "person"),
        schema=SCHEMA,
        comment="One row a record that names a person / Mỗi dòng là một bản ghi về một người",
    )
    sa.Table(
        "review",
        metadata,
        *pair(),
        sa.Column("probability", sa.Double, nullable=False, comment="that both are one person"),
        schema=SCHEMA,
        comment="Pairs of records that a person must decide / Các cặp bản ghi cần người quyết định",
    )
    sa.Table(
        "decision",
        metadata,
        *pair(),
        sa.Column("is_same", sa.Boolean, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), primary_key=True, server_default=sa.func.now()),
        schema=SCHEMA,
        comment="What people decided; the last word on a pair counts, whatever is rebuilt / Quyết định của người",
    )
    sa.Table(
        "change",
        metadata,
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("became", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False, comment="merged: all its records; split: some of them"),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Index("change_person", "person"),
        schema=SCHEMA,
        comment="Persons whose records have another number since / Người mà bản ghi đã đổi sang số khác",
    )
    sa.Table(
        "model",
        metadata,
        sa.Column("made_of", sa.Text, primary_key=True, comment="SHA-256 of what is declared of comparisons"),
        sa.Column("trained_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("settings", sa.Text, nullable=False, comment="JSON, as splink writes it"),
        schema=SCHEMA,
        comment="What was learnt of how agencies write; kept, so that the same records give the same links",
    )
