"""Lineage: from which columns of the warehouse each column of a mart comes, read from `sql/marts/` by sqlglot."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.lineage import Node, lineage
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from etl.contract import Contract, Text
from etl.settings import MARTS
from etl.site.facts import Source
from etl.warehouse.overlaps import MEASURED, Overlap
from etl.warehouse.tables import describe

log = logging.getLogger(__name__)
_DIALECT = "postgres"
_CURRENT = "_current"  # a history table's view of today's rows
_PATTERNS = ("derived/*.sql", "derived/overlaps/*.yaml", "marts/*.sql", "quality/*.sql")
_UNSAID = Text("–", "–")  # of what has no comment
_Schema = dict[str, Any]  # schema, table and column to the column's type
logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of index options that it does not know


class LineageError(ValueError):
    """A mart's file that cannot be understood; the text names it and says why."""


@dataclass(frozen=True)
class MartColumn:
    """A column of a mart: what it means, and the columns that its values come from (none for a count of rows)."""

    name: str
    text: Text
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Mart:
    """A table that analysts query, a list for those who mend data, or what shows persons to those who may see them.

    Attributes:
        schema: `mart` or `quality`, or that of the data which it stands beside.
        name: in that schema.
        text: what it is.
        columns: in its order.
        reads: all columns that it reads, also those that only join, choose and group rows.
    """

    schema: str
    name: str
    text: Text
    columns: tuple[MartColumn, ...]
    reads: tuple[Source, ...]

    @property
    def only_reads(self) -> list[Source]:
        """Those that no value comes from."""
        values = {source for column in self.columns for source in column.sources}
        return [source for source in self.reads if source not in values]


def marts(contracts: Iterable[Contract], folder: Path = MARTS) -> list[Mart]:
    """All marts, lists and what they are made of, by schema and name, but those of a table that no contract describes.

    Args:
        contracts: of the tables that they read.
        folder: holds `derived/`, `marts/` and `quality/`, of one file each.

    Raises:
        LineageError: if a file creates no view, or names what the warehouse has not.
    """
    schema = _schema(contracts)
    files = {path: _statements(path) for pattern in _PATTERNS for path in sorted(folder.glob(pattern))}
    made = []
    while ready := [path for path, statements in files.items() if not _unknown(statements, schema)]:
        for path in ready:  # what another one reads is understood before it
            try:
                made.append(_mart(path, files.pop(path), schema))
            except (sqlglot.errors.SqlglotError, StopIteration) as error:
                raise LineageError(f"{path}: {str(error) or 'no view is created here'}") from error
            of, name = {"mart": "exact"}.get(made[-1].schema, made[-1].schema), made[-1].name
            schema.setdefault(of, {})[name] = {column.name: "text" for column in made[-1].columns}
    for path, statements in files.items():
        lacking = ", ".join(sorted(_unknown(statements, schema)))
        log.warning("mart %s is left out: no contract describes %s", path.stem, lacking)
    return sorted(made, key=lambda mart: (mart.schema, mart.name))


def _statements(path: Path) -> Sequence[exp.Expr | None]:
    """What a file says, as SQL.

    Raises:
        LineageError: if it cannot be read as such.
    """
    text = path.read_text(encoding="utf-8")
    try:
        return sqlglot.parse(_as_sql(path, text) if path.suffix == ".yaml" else text, dialect=_DIALECT)
    except sqlglot.errors.SqlglotError as error:
        raise LineageError(f"{path}: {error}") from error


def _as_sql(path: Path, text: str) -> str:
    """Which shapes share ground, as a view of both queries: all that is measured comes of their geometry."""
    declared = Overlap(path, text).declared
    sides = {"one": declared.left, "other": declared.right}
    parsed = {side: sqlglot.parse_one(query, dialect=_DIALECT) for side, query in sides.items()}
    named = [
        f"{side}.{name}"
        for side, query in parsed.items()
        if isinstance(query, exp.Query)
        for name in query.named_selects
        if name != "geometry"
    ]
    both = "one.geometry || other.geometry"
    measured = {"left_size": "one.geometry", "right_size": "other.geometry", "shared": both, "is_sliver": both}
    columns = ", ".join([*named, *(f"{of} AS {name}" for name, of in measured.items())])
    said = {"MATERIALIZED VIEW made": Text(declared.vi, declared.en)} | {
        f"COLUMN made.{name}": text for name, text in MEASURED.items()
    }
    view = f"CREATE MATERIALIZED VIEW made AS SELECT {columns} FROM ({declared.left}) one, ({declared.right}) other"
    return ";".join([view, *(f"COMMENT ON {what} IS '{_quoted(text)}'" for what, text in said.items())])


def _quoted(text: Text) -> str:
    return f"{text.vi} / {text.en}".replace("'", "''")


def _unknown(statements: Sequence[exp.Expr | None], schema: _Schema) -> set[str]:
    """The tables of a file that nothing describes."""
    return _tables(statements) - {f"{db}.{table}" for db in schema for table in schema[db]}


def _tables(statements: Sequence[exp.Expr | None]) -> set[str]:
    """The tables that a mart's file reads, by schema and name; its own parts have no schema."""
    named = (table for statement in statements if statement for table in statement.find_all(exp.Table))
    return {f"{table.db}.{table.name}" for table in named if table.db}


def _mart(path: Path, statements: Sequence[exp.Expr | None], schema: _Schema) -> Mart:
    view = next(s for s in statements if isinstance(s, exp.Create) and s.kind == "VIEW")
    comments = [s for s in statements if isinstance(s, exp.Comment)]
    texts = {c.this.name if c.args["kind"] == "COLUMN" else "": _both(c.expression.name) for c in comments}
    # Of what it reads alone: sqlglot goes through all that it is given.
    tables = [table.split(".") for table in _tables(statements)]
    schema = {db: {name: schema[db][name] for of, name in tables if of == db} for db, _ in tables}
    query = qualify(view.expression, schema=schema, dialect=_DIALECT)
    scope = build_scope(query)
    if not isinstance(query, exp.Query) or scope is None:
        raise LineageError(f"{path}: the view is no query")
    # All columns at once, of this very query: column by column each would be found on a copy of its own.
    nodes = lineage(None, query, schema, dialect=_DIALECT, scope=scope, trim_selects=False, copy=False)
    origins = {name: _origin(nodes[name]) for name in query.named_selects}
    columns = tuple(
        MartColumn(name, texts.get(name, _UNSAID), sources)
        for name, sources in origins.items()
        if not name.startswith("_")  # what decides on hiding, and is not shown
    )
    beside, _, name = path.stem.rpartition(".")
    return Mart(
        beside or {"marts": "mart"}.get(path.parent.name, path.parent.name),
        name,
        texts.get("", _UNSAID),
        columns,
        _sorted(_reads(scope)),
    )


def _origin(node: Node) -> tuple[Source, ...]:
    leaves = ((leaf.source, leaf.name) for leaf in node.walk())
    return _sorted(_source(table, exp.to_column(name).name) for table, name in leaves if isinstance(table, exp.Table))


def _reads(root: Scope) -> Iterator[Source]:
    for scope in root.traverse():
        for column in scope.columns:
            known: Scope | None = scope
            while known and column.table not in known.sources:
                known = known.parent  # a subquery names a table of the query around it
            if known and isinstance(table := known.sources[column.table], exp.Table):
                yield _source(table, column.name)


def _source(table: exp.Table, column: str) -> Source:
    return Source(f"{table.db}.{table.name.removesuffix(_CURRENT)}", column)


def _sorted(sources: Iterable[Source]) -> tuple[Source, ...]:
    return tuple(sorted(set(sources)))


def _schema(contracts: Iterable[Contract]) -> _Schema:
    """Schema, table and column names of all that a mart may read, as sqlglot wants them."""
    schema: _Schema = {}
    for table in describe(contracts).tables.values():
        columns = {column.name: str(column.type) for column in table.columns}
        known = schema.setdefault(str(table.schema), {})
        known[table.name] = known[f"{table.name}{_CURRENT}"] = columns
    return schema


def _both(comment: str) -> Text:
    vi, _, en = comment.partition(" / ")
    return Text(vi, en or vi)


def readers(found: Iterable[Mart]) -> Mapping[Source, list[str]]:
    """The names of the marts that read a column of the warehouse, by column."""
    by_column: dict[Source, list[str]] = {}
    for mart in found:
        for source in mart.reads:
            by_column.setdefault(source, []).append(mart.name)
    return by_column
