"""Names and texts as SQL writes them."""

from __future__ import annotations

from psycopg import sql


def named(*parts: str) -> str:
    """A name as SQL writes it, in quotation marks; a table's with its schema first."""
    return sql.Identifier(*parts).as_string(None)


def literal(text: str) -> str:
    """A text as SQL writes it where a statement takes no parameter, as in COMMENT; for `exec_driver_sql`."""
    return sql.Literal(text).as_string(None).replace("%", "%%")
