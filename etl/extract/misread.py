"""Text that was written in one encoding and read in another, judged cell by cell behind every reader.

A legacy font leaves Latin letters in an Excel cell (`TrÇn ThÞ TuyÕt`), a program reads UTF-8 as Windows-1252
(`Nguyá»…n`), an office appends lines of another encoding to its file: each was decoded without an error. Nothing is
wrong with a word because it is not Vietnamese. A cell is accused only where it makes no sense as it stands and good
sense, Vietnamese words (where the forms of Viet Nam are in use) or clean UTF-8, if the bytes that it came from are read
by another table.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import polars as pl

from etl.contract import Column, Contract, Severity
from etl.contract.city import city
from etl.datatypes.syllable import is_syllable
from etl.datatypes.text import CONTROL, letters
from etl.delivery.columns import ROW
from etl.delivery.display import shown
from etl.delivery.messages import Stop, wording
from etl.delivery.problems import MISREAD, NO_PROBLEMS, READS, problems
from etl.extract.encodings import LEGACY, bytes_of, decode_by, everyday_name, is_latin_1
from etl.extract.table import on_the_file

_TABLES = ("tcvn3", "vni", "viscii", "vps", "cp1258")
_MARKED = "àáâãèéêìíòóôõùúýăĩũơạảấ-ặẹẻẽế-ệỉịọỏố-ộớ-ợụủứ-ựỳỷỵỹ"  # vowels; not ư, for it stands before ơ
# What hardly a word of right Vietnamese has, and every misread one: other letters and signs of Windows-1252, a capital
# or a sign within a word, two marked vowels in a row, and a vowel with its mark behind it (VNI, Windows-1258).
_DOUBT_OF_ASCII = rf"{CONTROL}|&#?[0-9A-Za-z]{{2,8}};"
_DOUBT = "|".join(
    (
        _DOUBT_OF_ASCII,
        "[¡-©«-±´-¹»-¿ÄÅÆÇËÎÏÐÑÖ×ØÛÜÞßäåæçëîïðñö÷øûüþÿŒœŠšŽžŸƒˆ˜‚„†‡‰‹›€]",
        r"\p{L}[²³\x{a0}“”‘’–—™…•]\p{L}",
        r"[\p{Ll}À-ÿĂ][ªº]|[ÃĂẪ]\x{a0}",
        r"\p{Ll}[\p{Lu}--[A-Z]]",
        f"(?i:[{_MARKED}]{{2}})",
        f"(?i:[ae][{_MARKED}ư]|o[âêìíòóôõùúýơấầẩẫậếềểễệọỏốồổỗộụủứừửữựỳỷỵỹư]|[uy][ùúũụủõòóọỏ]|i[ìòõùúýđ])",
    )
)
# A run of letters and of whatever else is beyond ASCII, and not blank: control characters are letters in some tables.
_WORD = re.compile("[^ \t\n\r!-@\\[-`{-~\u00a0\u2000-\u200a\u2028\u2029\u3000]+")
_MAY_BE_UTF_8 = re.compile(r"[^\x00-\x7f]{2}|[a-zà-ỹ][ÃĂẪ]")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
# What people, places and offices are called most: one of these words is proof by itself.
_COMMON = re.compile(
    "nguyễn|trần|lê|phạm|hoàng|huỳnh|phan|vũ|võ|đặng|bùi|đỗ|hồ|ngô|dương|lý|đào|đoàn|trịnh|trương|đinh|lâm|phùng|hà|châu|"
    "thị|văn|đức|ngọc|hữu|quốc|xuân|bảo|hoài|phương|tuấn|công|đình|mỹ|như|bình|cường|dũng|hương|hằng|hạnh|hòa|hùng|huệ|"
    "khánh|lộc|ngân|phúc|phượng|quân|quyên|sơn|tâm|thảo|thắng|thủy|tuyết|uyên|vân|việt|yến|thuận|đạt|huyền|phú|thọ|thạnh|"
    "phường|xã|ấp|quận|huyện|tỉnh|thành|phố|đường|thủ|bệnh|viện|trường"
)
_ENOUGH = 3  # worth of the words of a row, see `_worth`, from which it is accused
_PROVEN_BY = 3  # rows from which an encoding is known to be in the file
_MOST_FROM = 5  # rows from which, if they are most of those with anything beyond ASCII, the file is accused
_LONGEST = 2_000  # characters of a cell that are looked at
# An abbreviated name or number ("Mª", "nº"), but for what is Lê in TCVN3.
_ABBREVIATED = re.compile("[A-KM-Za-z][A-Za-z]?[ªº]")
_BEFORE_WORDS, _BEHIND_WORDS = "‘’“”„–—«¿¡•", "‘’“”…–—™®©°²³½¼¾•†‡»\ufeff\u200b"
_ETH = str.maketrans("\u00d0\u00f0", "Đđ")  # looks like it, and many keyboards write it
_OF_CAPITALS = re.compile(r"(?:[A-Z]|[^\x00-\x7f])+")
_BEHIND_CAPITAL = re.compile("[À-ß][’”»…]?|[À-ß](?P<sign>[™®©°º•–—])")  # as at the end of “AMANHÔ
# A run of one or more characters that UTF-8 gives: Latin letters, Vietnamese marks, usual signs.
_PLAUSIBLE = re.compile(
    "[\u00a0-\u017fƠơƯư\u1e00-\u1eff\u2010-\u204f₫€™≤≥≠\ufeff\u0300-\u0303\u0306\u0309\u031b\u0323]+"
)
_OF_WINDOWS = "[€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
_COUNTS = pl.Schema({"encoding": pl.String(), "rows": pl.Int64()})
_WORDS = pl.Schema(
    {
        "value": pl.String(),
        "encoding": pl.String(),
        "reading": pl.String(),
        "others": pl.Int64(),  # words that are syllables as they stand, and others in that encoding
        "word": pl.String(),
        "worth": pl.Int64(),
    }
)


def judge(rows: pl.DataFrame, contract: Contract) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Look for cells that are misread, and for control characters.

    Args:
        rows: ROW and text columns under the source's names.
        contract: names the columns and the encoding.

    Returns:
        Problems (PROBLEM schema); and for `check` how many `rows` read well in which `encoding` (null: how many hold
        anything beyond ASCII).
    """
    columns = {c.source_name: c for c in contract.columns if c.source_name in rows.columns}
    texts, doubtful, beyond = list[pl.Series](), list[pl.Expr](), list[pl.Expr]()
    for name in columns:
        signs = letters(rows[name])
        cell = pl.col(str(len(texts)))  # polars takes a name like "^a.*$" for many names
        if signs.max(initial=0) > ord("~"):
            beyond.append(cell.str.len_bytes() != cell.str.len_chars())
            doubtful.append(cell.str.contains(_DOUBT))
        elif signs.min(initial=ord(" ")) < ord(" ") or (signs == ord("&")).any():
            doubtful.append(cell.str.contains(_DOUBT_OF_ASCII))
        else:  # all is plain ASCII: seen ten times as fast as by a pattern
            continue
        texts.append(rows[name])
    frame = pl.DataFrame([text.alias(str(number)) for number, text in enumerate(texts)])
    every = frame.select(pl.any_horizontal(beyond).sum()).item() if beyond else 0
    masks = frame.select(doubtful).fill_null(False).get_columns()
    found = [
        pl.DataFrame([rows[ROW], text.alias("value")]).filter(mask).with_columns(pl.lit(text.name).alias("column"))
        for text, mask in zip(texts, masks, strict=True)
        if mask.any()
    ]
    if not found:
        return NO_PROBLEMS, _counts([None], [every])
    cells = pl.concat(found)
    accused = _accused(cells, contract.source.encoding)
    controlled = cells.filter(pl.col("value").str.contains(CONTROL)).join(accused, on=[ROW, "column"], how="anti")
    said = [NO_PROBLEMS]
    for (name, encoding), failing in accused.partition_by("column", "encoding", as_dict=True).items():
        both = pl.concat_str(_visible("value"), pl.lit(READS), _visible("reading"))
        failing = failing.select(ROW, value=both)
        said.append(_told(MISREAD, failing, columns[name], encoding=everyday_name(encoding)))
    for (name,), failing in controlled.partition_by("column", as_dict=True).items():
        said.append(_told("control_character", failing.select(ROW, value=_visible("value")), columns[name]))
    by_encoding = accused.unique(ROW, keep="first").group_by("encoding").len()
    return pl.concat(said), _counts([*by_encoding["encoding"], None], [*by_encoding["len"], every])


def without(rows: pl.DataFrame, found: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The rows with nothing in the cells that are flagged (their problems are warnings): they are not understood."""
    flagged = found.filter(pl.col("severity") == "warning")
    for (name,), failing in flagged.partition_by("column", as_dict=True).items():
        source = contract.column(str(name)).source_name
        cells = pl.select(pl.when(~rows[ROW].is_in(failing[ROW].implode())).then(rows[source])).to_series()
        rows = rows.with_columns(cells.alias(source))
    return rows


def check(counts: pl.DataFrame, contract: Contract) -> None:
    """Refuse a file that is misread as a whole.

    Args:
        counts: from `judge`, of all parts of the file.
        contract: the dataset's.

    Raises:
        Stop: if most of the rows with anything beyond ASCII are misread; it names the encoding that fits most of them.
    """
    total = counts.group_by("encoding").agg(pl.col("rows").sum())
    misread = total.filter(pl.col("encoding").is_not_null()).sort("rows", "encoding", descending=[True, False])
    count, every = misread["rows"].sum(), total.filter(pl.col("encoding").is_null())["rows"].sum()
    if count >= _MOST_FROM and 2 * count > every:
        agreed, fitting = everyday_name(contract.source.encoding), everyday_name(misread["encoding"][0])
        raise Stop("held", "wrong_encoding", encoding=agreed, detail=fitting)


def of_windows(rows: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """A warning on the file if signs of Windows-1252 were read where Latin-1 is agreed."""
    if is_latin_1(contract.source.encoding) and any(
        rows[c.source_name].str.contains(_OF_WINDOWS).any() for c in contract.columns if c.source_name in rows
    ):
        return on_the_file("read_as_windows_1252", encoding=everyday_name(contract.source.encoding))
    return on_the_file()


def _counts(encodings: list[str | None], rows: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"encoding": encodings, "rows": rows}, _COUNTS)


def _told(rule: str, failing: pl.DataFrame, column: Column, **details: str) -> pl.DataFrame:
    about = wording(rule)
    severity: Severity = "critical" if column.on_invalid == "reject" else "warning"
    return problems(failing, column.name, rule, about.fill(column=column.label, **details), about, severity)


def _visible(name: str) -> pl.Expr:
    return pl.col(name).map_elements(shown, return_dtype=pl.String)


def _accused(cells: pl.DataFrame, declared: str) -> pl.DataFrame:
    """Cells (ROW, `column`, `value`) that are misread, with `encoding` and `reading`; a row's words count together."""
    words = [
        (value, encoding, reading, others, word, worth)
        for value in cells["value"].unique()
        for encoding, reading, others, worths in _others(value[:_LONGEST], declared)
        for word, worth in worths.items()
    ]
    read = cells.join(pl.DataFrame(words, _WORDS, orient="row"), on="value")
    by_row = read.unique([ROW, "encoding", "word"]).group_by(ROW, "encoding").agg(total=pl.col("worth").sum())
    # Where some rows are proven to be in an encoding, what may be in it as well is not understood.
    proven = by_row.filter(pl.col("total") >= _ENOUGH).group_by("encoding").len().filter(pl.col("len") >= _PROVEN_BY)
    enough = pl.when(pl.col("encoding").is_in(proven["encoding"].implode())).then(1).otherwise(_ENOUGH)
    by_cell = read.group_by(ROW, "column", "value", "encoding", "reading", "others").agg(pl.col("worth").sum())
    return (
        by_cell.join(by_row.filter(pl.col("total") >= enough), on=[ROW, "encoding"])
        .filter(pl.col("worth") > 0)
        .with_columns(
            place=pl.col("encoding").replace_strict({e: n for n, e in enumerate(("html", "utf-8", *_TABLES))})
        )
        .sort(ROW, "total", "others", "place", "column", descending=[False, True, True, False, False])
        .unique([ROW, "column"], keep="first", maintain_order=True)
        .select(ROW, "column", "value", "encoding", "reading")
    )


@lru_cache(maxsize=1 << 12)
def _others(text: str, declared: str) -> list[tuple[str, str, int, dict[str, int]]]:
    """Encodings in which a text may have been written: what it reads in each, `others`, and what words are worth."""
    return list(_other_readings(text, declared))


def _other_readings(text: str, declared: str) -> Iterator[tuple[str, str, int, dict[str, int]]]:
    unescaped = html.unescape(text)  # "&#7877;" is how a web page writes ễ
    if unescaped != text and not unescaped.isascii():
        yield "html", unescaped, 0, {text: _ENOUGH}
        return
    text = unicodedata.normalize("NFC", text)
    origin = declared if declared in (*LEGACY, "cp1258") else "cp1252"
    if (reading := _as_utf_8(text, origin)) is not None:
        yield "utf-8", reading, 0, {text: _ENOUGH}
        return
    words = set(_WORD.findall(text))
    odd = {word for word in words if not _makes_sense(word)}
    for table in _TABLES if odd and city().has_form("vietnam") else ():
        made = {word: read for word in words if (read := _syllable_by(word, origin, table))}
        if table != origin and not odd.isdisjoint(made):
            reading = _WORD.sub(lambda word: made.get(word[0], word[0]), text)  # noqa: B023
            yield table, reading, len(made.keys() - odd), {word: _worth(word, made.get(word)) for word in odd}


@lru_cache(maxsize=1 << 16)
def _makes_sense(word: str) -> bool:
    """Whether a word may be meant as it stands: without letters beyond ASCII, or a Vietnamese syllable."""
    core = word.lstrip(_BEFORE_WORDS).rstrip(_BEHIND_WORDS).translate(_ETH)
    if core.isascii() or len(word) == 1 or _ABBREVIATED.fullmatch(word):
        return not any(unicodedata.category(letter) == "Cc" for letter in word)
    return is_syllable(core) and _has_natural_case(core)


def _has_natural_case(word: str) -> bool:
    return word.isupper() or word[1:] == word[1:].lower()


@lru_cache(maxsize=1 << 16)
def _syllable_by(word: str, origin: str, table: str) -> str | None:
    """The syllable that a word is in another table; None where it is none, or the same."""
    content = bytes_of(word, origin)
    read = decode_by(content, table) if content is not None else None
    if read is None or read == word or read.isascii() or not is_syllable(read):
        return None
    if _has_natural_case(read):
        return read
    # ABC's fonts of capitals write the small letter for a capital with a mark.
    return read.upper() if table == "tcvn3" and _OF_CAPITALS.fullmatch(word) else None


@lru_cache(maxsize=1 << 16)
def _worth(word: str, read: str | None) -> int:
    """What a word proves: 1 if it may be chance that it is a syllable, 3 or 4 if no language writes it as it stands."""
    if read is None:
        return -3
    if len(word) > 2 and _COMMON.fullmatch(read.lower()):
        return 4
    changed = sum(not letter.isascii() and letter not in read for letter in word)
    is_capital_within = any(a.islower() and b.isupper() and not b.isascii() for a, b in pairwise(word))
    is_sign_within = any(not letter.isalpha() for letter in word[:-1]) and len(word) > 2
    return 3 if changed > 1 or is_capital_within or is_sign_within else 1


def _as_utf_8(text: str, origin: str) -> str | None:
    """What a text reads that is UTF-8 read by another table; None if it is not."""
    if not _MAY_BE_UTF_8.search(text):
        return None
    good = bad = 0
    is_sure = False
    parts: list[str] = []
    at = 0
    for run in _BEYOND_ASCII.finditer(text):
        content = bytes_of(run[0], origin)
        behind = text[run.end() :][:1]
        if content is not None and content.endswith(b"\xc3") and behind in ("", " "):
            content += b"\xa0"  # "à": some programs make a plain blank of its second half, or cut that off
        read = decode_by(content, "utf-8") if content is not None else None
        if read is not None and (_PLAUSIBLE.fullmatch(read) or (len(read) > 1 and read.isalpha())):
            good += len(content or b"")
            is_sure |= not _is_legit(text, run, read)
        elif content is not None:
            bad += 1
            read = None
        parts += [text[at : run.start()], read or run[0]]
        at = run.end()
    if not is_sure or good < 3 * bad:
        return None
    reading = "".join((*parts, text[at:]))
    return _as_utf_8(reading, "cp1252") or reading  # some programs do it twice


def _is_legit(text: str, run: re.Match[str], read: str) -> bool:
    """Whether what would be UTF-8 may be a capital as it stands, and the sign behind it."""
    before, behind = text[: run.start()], text[run.end() :][:1]
    found = _BEHIND_CAPITAL.fullmatch(run[0])
    if found is None or behind.isalpha() or before[-1:].islower():
        return False
    word = re.search(r"[^\W\d_]*$", before)
    return not (found["sign"] and word and is_syllable(word[0] + read))
