"""What a suite's condition may be made of: columns, values, operators and some functions, and nothing else.

polars takes much more for SQL, as `x IN (SELECT a FROM read_csv('/etc/passwd'))`, which reads the file. Here nothing
is forbidden by name: what is not listed is refused, before polars sees it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

LONGEST = 2_000  # signs; polars walks an expression by recursion
_TOKEN = re.compile(
    r"""\s+
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"[^"]*")
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<word>[^\W\d]\w*)(?!')
    |<>|!=|<=|>=|\|\||[=<>+\-*/%(),]""",
    re.VERBOSE,
)
_COMMENT = re.compile(r"--|/\*")  # of operators, which are listed, and yet what follows is not read
_WORDS = frozenset([
    "AND", "OR", "NOT", "IN", "IS", "NULL", "TRUE", "FALSE", "BETWEEN", "LIKE", "ILIKE", "CASE", "WHEN", "THEN",
    "ELSE", "END", "AS", "DATE", "TIMESTAMP", "INT", "INTEGER", "BIGINT", "DOUBLE", "FLOAT", "DECIMAL", "NUMERIC",
    "VARCHAR", "TEXT", "BOOLEAN", "YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "QUARTER", "WEEK", "DOW",
    "DOY",
])  # fmt: skip
# None of them makes a text longer than what it is given, but for CONCAT.
_FUNCTIONS = frozenset([
    "ABS", "CAST", "CEIL", "CHAR_LENGTH", "COALESCE", "CONCAT", "DATE_PART", "ENDS_WITH", "EXTRACT", "FLOOR",
    "GREATEST", "LEAST", "LEFT", "LENGTH", "LOWER", "LTRIM", "MOD", "NULLIF", "OCTET_LENGTH", "REGEXP_LIKE",
    "RIGHT", "ROUND", "RTRIM", "SIGN", "STARTS_WITH", "STRPOS", "SUBSTR", "TRIM", "TRY_CAST", "UPPER",
])  # fmt: skip
# Words that may stand before a bracket without calling anything.
_BEFORE_BRACKET = frozenset([
    "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ILIKE", "WHEN", "THEN", "ELSE", "CASE", "DECIMAL", "NUMERIC",
    "VARCHAR", "FROM",
])  # fmt: skip


def refusal(condition: str, columns: Collection[str]) -> str | None:
    """Why a condition is not taken; None if it is.

    Args:
        condition: in SQL.
        columns: that it may name. One that is called like a word of SQL stands in double quotation marks.
    """
    if len(condition) > LONGEST:
        return f"it has {len(condition)} signs; {LONGEST} are the most"
    at, in_extract = 0, False
    while at < len(condition):
        token = _TOKEN.match(condition, at)
        if token is None or _COMMENT.match(condition, at):
            return f"{condition[at : at + 10]!r} is nothing that a condition is made of"
        at = token.end()
        said = token[0]
        match token.lastgroup:
            case "word":
                word, calls = said.upper(), condition[at:].lstrip().startswith("(")
                if word == "FROM" and in_extract:
                    in_extract = False
                elif calls and word not in _FUNCTIONS | _BEFORE_BRACKET:
                    return f"{said} is no function that a condition may call; those are {', '.join(sorted(_FUNCTIONS))}"
                elif word == "FROM" or not (calls or word in _WORDS or said in columns):
                    return f"{said} is neither a column of column_list nor a word that a condition may hold"
                elif word in ("SELECT", "TABLE", "VALUES", "WITH"):
                    return f"{said} asks for more than the row; a column of that name stands in double quotation marks"
                in_extract = in_extract or (calls and word == "EXTRACT")
            case "quoted":
                if said[1:-1] not in columns:
                    return f"{said} is no column of column_list; a text stands in single quotation marks"
                if condition[at:].lstrip().startswith("("):
                    return f"{said} is a column, and no function"
    return None
