"""The site's pages: what there is to say, put into templates. Each works from a folder, without JavaScript."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment

from etl.contract import Contract, Text
from etl.contract import codes as contract_codes
from etl.delivery.entry import LedgerEntry
from etl.rendering import templates
from etl.settings import MARTS, TEMPLATES
from etl.site.chart import of_rejected, of_rows
from etl.site.facts import UNDATED, Field, Source, Standing
from etl.site.graph import LEFT, RIGHT, graph
from etl.warehouse.scorecard import Score

if TYPE_CHECKING:
    from etl.site.lineage import Mart

HAS_SCORECARD = (MARTS / "marts" / "scorecard.sql").exists()  # whether this city measures its goals
Fields = Mapping[str, Sequence[Field]]


def index(standings: Sequence[Standing], fields: Fields, now: datetime) -> str:
    """The first page: agencies, their datasets, how each stands."""
    agencies: dict[str, list[Standing]] = {}
    begun = {standing.contract.agency for standing in standings if standing.deliveries}
    for standing in sorted(standings, key=lambda standing: standing.contract.agency not in begun):
        agencies.setdefault(standing.contract.agency, []).append(standing)
    charts = {s.contract.id: of_rejected(s.latest) for s in standings}
    return _page("index", root="", agencies=agencies, fields=fields, charts=charts, now=now)


def dataset(
    standing: Standing,
    newest: Sequence[LedgerEntry],
    months: Sequence[str],
    fields: Sequence[Field],
    with_page: Collection[str],
    now: datetime,
) -> str:
    """The page of a dataset.

    Args:
        standing: how it stands.
        newest: its last deliveries of a known period, the oldest first.
        months: those that have a page of all their deliveries, in the order of time.
        fields: its columns.
        with_page: ids of the deliveries whose receipt is on the site.
        now: when the page is made.
    """
    own = [entry for entry in newest if not entry.corrects]
    years: dict[str, list[str]] = {}
    for name in reversed(months):
        years.setdefault(name[:4] if name != UNDATED else "", []).append(name)
    return _page(
        "dataset",
        root="../../",
        s=standing,
        contract=standing.contract,
        entries=newest[::-1],
        years=years,
        fields=fields,
        with_page=with_page,
        rejected=of_rejected(own),
        rows=of_rows(own),
        now=now,
    )


def parts(standing: Standing, now: datetime) -> str:
    """The page of the parts that are expected of a dataset: what has come, what is missing, who is late."""
    return _page("parts", root="../../", s=standing, contract=standing.contract, now=now)


def month(contract: Contract, name: str, entries: Sequence[LedgerEntry], there: int, with_page: Collection[str]) -> str:
    """The page of the deliveries of a dataset that speak for one month, or for no known period.

    Args:
        contract: the dataset's.
        name: the month.
        entries: its last deliveries, the oldest first.
        there: how many it has in all.
        with_page: ids of the deliveries whose receipt is on the site.
    """
    title = Text(f"tháng {name[5:]}/{name[:4]}", f"of {name}")
    if name == UNDATED:
        title = Text("không rõ kỳ dữ liệu", "of an unknown period")
    return _page(
        "month", root="../../", contract=contract, title=title, entries=entries[::-1], there=there, with_page=with_page
    )


def dictionary(fields: Fields) -> str:
    """The page of all columns of all datasets."""
    return _page("dictionary", root="", fields=fields)


def code_lists(paths: Iterable[Path], fields: Fields) -> str:
    """The page that names all code lists."""
    lists = {path.stem: (len(contract_codes.code_list(path.stem)), _users(path.stem, fields)) for path in paths}
    return _page("codes", root="../", lists=lists)


def code_list(path: Path, fields: Fields) -> str:
    """The page of one code list."""
    codes = contract_codes.code_list(path.stem)
    return _page(
        "code_list",
        root="../",
        name=path.stem,
        codes=codes,
        remarks=contract_codes.remarks(path.stem),
        has_periods=any(code.valid_from or code.valid_to for code in codes),
        users_of=_users(path.stem, fields),
    )


def marts(found: Sequence[Mart], fields: Fields) -> str:
    """The page of the tables that analysts query, with the columns that theirs come from."""
    homes = {  # where the dictionary explains a column of the warehouse
        Source(f"{f.contract.schema}.{f.contract.table}", o.name): f
        for its in fields.values()
        for f in its
        for o in f.outputs
    }
    contracts = [its[0].contract for its in fields.values() if its]
    return _page("marts", root="", marts=found, homes=homes, graph=graph(found, contracts), at=(LEFT, RIGHT))


def scorecard(found: Sequence[Score], contracts: Mapping[str, Contract]) -> str:
    """The page of the city's goals: how each measure stands, and what is missing behind each figure."""
    goals: dict[int, list[Score]] = {}
    for score in found:
        goals.setdefault(score.goal, []).append(score)
    return _page("scorecard", root="", goals=goals, contracts=contracts)


def asset(name: str) -> str:
    """A file that the pages need: the style sheet or the script."""
    return _environment().get_template(name).render() + "\n"


def _users(code_list: str, fields: Fields) -> list[Field]:
    return [field for its in fields.values() for field in its if field.column.code_list == code_list]


def _page(template: str, **about: Any) -> str:
    return _environment().get_template(f"site_{template}.html.j2").render(**about)


@cache
def _environment() -> Environment:
    environment = templates(period=_period, every=_every, of_period=_of_period, anchor=_anchor)
    environment.globals |= {"said": _wording(), "has_scorecard": HAS_SCORECARD}
    return environment


@cache
def _wording() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((TEMPLATES / "site.yaml").read_text(encoding="utf-8"))
    return loaded


def _period(length: str) -> Text:
    """A contract's length of time in words: 12 hours of 12h."""
    count, unit = length[:-1], _wording()["unit"][length[-1]]
    return Text(f"{count} {unit['vi']}", f"{count} {unit['en']}{'' if count == '1' else 's'}")


def _of_period(name: str | None) -> Text:
    """A period of the scorecard in words."""
    year, _, part = (name or "").partition("-")
    if not year:
        return Text("–", "–")
    if not part:
        return Text(f"năm {year}", year)
    if part.startswith("H"):
        first = part == "H1"
        return Text(f"nửa {'đầu' if first else 'cuối'} năm {year}", f"{'first' if first else 'second'} half of {year}")
    return Text(f"tháng {part}/{year}", f"{year}-{part}")


def _anchor(score: Score) -> str:
    """Where a score stands on its page; goal 3 has one a period."""
    return f"{score.measure}-{score.period}" if score.period else score.measure


def _every(length: str) -> Text:
    """How often a period of that length ends: every day of 1d."""
    unit, several = _wording()["unit"][length[-1]], _period(length)
    once = length[:-1] == "1"
    return Text(f"mỗi {unit['vi'] if once else several.vi}", f"every {unit['en'] if once else several.en}")
