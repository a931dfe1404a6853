"""HTTP APIs: a list of records, page by page, as NDJSON: a line a record, in the very bytes in which it was sent.

No number passes through a type of ours. What changes under the pull is noticed: the total moves, fewer or more records
come than it says, or a page holds a record of the page before; then all is asked for anew, and after some tries nothing
is taken. A pull that died goes on behind the pages that it had taken, if the first and the last of these are as they
were. How one page is asked for, `etl.connectors.asking` says.

The connection's login and password are what the contract's `login` needs: a key alone is the password. Its `extra` may
hold `client_cert`, `client_key` and `client_key_password` (files in PEM) for an API that asks for a certificate, and
`ca_file` for one whose own is signed by nobody whom this machine knows.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import urljoin

import httpx
import msgspec

from etl.connectors.asking import Again, Asking
from etl.connectors.begun import Begun, Page
from etl.connectors.connection import Connection
from etl.connectors.database import Sheet, file_name
from etl.connectors.model import BEGUN, Complaint, Pulled, SourceFault, Window
from etl.contract import Contract
from etl.contract.city import city
from etl.contract.fields import hours_of
from etl.contract.servers import ApiServer
from etl.delivery.messages import Stop
from etl.extract import ndjson
from etl.extract.drift import check_columns
from etl.settings import Limits

log = logging.getLogger(__name__)

_STARTS = 3  # of a pull under which the source changes
_MOST_PAGES = 200_000


class _Changed(Exception):
    """The source has changed under the pull."""


class Api:
    """Pulls records from an HTTP API; see `etl.connectors.model.Connector`."""

    def __init__(self, contract: Contract, connection: Connection, limits: Limits) -> None:
        assert isinstance(contract.server, ApiServer)
        self._contract, self._connection, self._limits = contract, connection, limits
        self._server, self._said = contract.server, contract.server.custom_properties
        self._where = f"{connection.name} ({self._server.location})"

    def check(self) -> list[Complaint]:
        """Ask for the first page, and compare its fields with the contract."""
        try:
            with Asking(self._server, self._connection, self._where) as asking:
                page = next(self._pages(asking, Window()))
                return [Complaint("column", sentence, False) for sentence in self._told(page.records)]
        except SourceFault as fault:
            return [Complaint(fault.kind, str(fault))]
        except _Changed as changed:
            return [Complaint("answer", f"{self._where} {changed}.")]

    def pull(self, window: Window, into: Path) -> Iterator[Pulled]:
        """Write the records that are asked for as one NDJSON file; none if nothing has changed since."""
        lasts = timedelta(hours=hours_of(self._said.timeout))
        ends_at = time.monotonic() + lasts.total_seconds()
        begun = Begun(into / BEGUN, self._question(window), lasts)
        with Asking(self._server, self._connection, self._where, ends_at) as asking:
            taken = self._still_true(asking, begun, window)
            for start in range(1, _STARTS + 1):
                name = str(PurePath(file_name(self._contract, begun.at, window)).with_suffix(".ndjson"))
                try:
                    rows, about = self._write(self._pages(asking, window, begun), into / name)
                    break
                except _Changed as changed:
                    begun.begin_anew()
                    taken = 0
                    if start == _STARTS:
                        raise SourceFault(
                            "answer",
                            f"{self._where} {changed}: it changed under {_STARTS} pulls, and nothing was taken. Pull "
                            "at a quieter hour, or ask its owner for a cursor, or for a view that stays.",
                        ) from None
                    log.warning("%s: %s; all is asked for anew", self._contract.id, changed)
        begun.forget()
        seen_at = begun.at
        about |= {"starts": start, "taken_before": taken}
        is_asked_by_time = self._said.changed is not None
        if rows or window.is_whole:
            # A source stamps by its own clock: if that is behind ours, the next pull begins where it stands.
            clock = min(seen_at, datetime.fromisoformat(about["source_clock"] or seen_at.isoformat()))
            until = clock.isoformat() if is_asked_by_time and window.first is None else None
            yield Pulled(name, rows, seen_at, window.since if is_asked_by_time else None, until, about)

    def landed(self, pulled: Pulled) -> None:
        """Nothing is due at an API."""

    def _question(self, window: Window) -> str:
        """All on which depends what the pages are."""
        said = self._server.model_dump_json(include={"location", "custom_properties"})
        asked = f"{said} {self._connection.login} {window.since} {window.first} {window.last}"
        return hashlib.sha256(asked.encode()).hexdigest()

    def _still_true(self, asking: Asking, begun: Begun, window: Window) -> int:
        """How many pages that a pull which died has taken are taken over: all if the API is as it was, or none.

        A record that came or went before the last of these pages has moved what is on it. What was changed on a page in
        between is not seen, as it is not where a pull has already been.
        """
        try:
            for number in sorted({1, begun.count} if begun.count else ()):
                kept = begun.page(number)
                answered = next(itertools.islice(self._pages(asking, window, begun, asks=number), number - 1, None))
                if kept is None or answered is None or not answered.says_the_same(kept):
                    raise _Changed(f"has changed at page {number} since the pull that broke off")
        except (_Changed, SourceFault) as fault:
            if isinstance(fault, Again):  # it is away for now: what was taken waits
                raise
            log.warning("%s: %s; all is asked for anew", self._contract.id, fault)
            begun.begin_anew()
        return begun.count

    def _write(self, answers: Iterator[Page], path: Path) -> tuple[int, dict[str, Any]]:
        """Write all pages into a file; gives the number of records, and what is written down of the pages."""
        rows, total, pages, told, clock = 0, None, [], list[str](), None
        before, seen = set[bytes](), set[str]()
        with Sheet(path, self._limits) as sheet:
            for number, page in enumerate(answers, start=1):
                if page.total is not None and total not in (None, page.total):
                    raise _Changed(f"had {total} records, and at page {number} {page.total}")
                total = page.total if total is None else total
                if page.records and (page.sha256 in seen or not before.isdisjoint(page.records)):
                    raise _Changed(f"repeats a record of an earlier page on page {number}")
                if number == 1:
                    told, clock = self._told(page.records), page.clock
                before = set(page.records)
                seen.add(page.sha256)
                rows += len(page.records)
                if rows > self._limits.rows or number > _MOST_PAGES:
                    raise SourceFault("too_large", f"{self._where} has no end: {rows:,} records came; ask for less.")
                for record in page.records:
                    sheet.write(record + b"\n")
                pages.append([number, len(page.records), page.size, page.sha256])
        if total is not None and total != rows:
            raise _Changed(f"says that it has {total} records, and {rows} came")
        said = clock.isoformat() if clock else None
        return rows, {"pages": pages, "total": total, "told": told, "source_clock": said}

    def _told(self, records: list[bytes]) -> list[str]:
        """What is to be said of fields that are more or fewer than in the contract, where that stops nothing."""
        if not records:
            return []
        try:
            table = next(ndjson.read([b"\n".join(records)], self._contract.source, self._contract, self._limits))
            problems = check_columns(table, self._contract).problems
        except Stop as stop:
            raise SourceFault("column", f"{self._contract.id}: {stop.message.en}") from None
        return [str(sentence) for sentence in problems["en"]] if "en" in problems.columns else []

    def _pages(
        self, asking: Asking, window: Window, begun: Begun | None = None, asks: int | None = None
    ) -> Iterator[Page]:
        """The pages one after the other, each once it is here as a whole; the last one, if it says so, may be empty.

        Args:
            asking: the conversation.
            window: what is asked for.
            begun: holds pages that are here already, and keeps those that come.
            asks: the number of a page that is asked for all the same, and not kept.
        """
        pages, url = self._said.pages, self._server.location
        given = self._said.parameters | self._time(window)
        if pages and pages.size_parameter:
            given |= {pages.size_parameter: str(pages.size)}
        at, rows, cursors = pages.first if pages else 0, 0, set[str]()
        cursor: str | None = None
        for number in range(1, _MOST_PAGES + 2):
            asked = dict(given)
            if pages and pages.parameter and pages.by != "cursor":
                asked[pages.parameter] = str(at if pages.by == "page" else rows)
            elif pages and pages.parameter and cursor is not None:
                asked[pages.parameter] = cursor
            kept = begun.page(number) if begun and number != asks else None
            if kept is None:
                is_link = cursor is not None and pages is not None and pages.by == "link"
                page = asking.page(url, None if is_link else asked, number, self._read)
                if begun and number != asks:
                    begun.keep(number, page)
            else:
                page = kept
            yield page
            at, rows = at + 1, rows + len(page.records)
            if pages is None:
                return
            if pages.by in ("page", "offset"):
                if not page.records or (page.total is not None and rows >= page.total):
                    return
                continue
            if page.following is None:
                return
            if page.following in cursors:
                raise _Changed(f"sends from page {number} back to an earlier one")
            cursor = page.following
            cursors.add(cursor)
            if pages.by == "link":
                url = self._own(url, cursor)

    def _own(self, url: str, link: str) -> str:
        """The address of the next page; one elsewhere is not asked, for it would learn who we are."""
        following, ours = httpx.URL(urljoin(url, link)), httpx.URL(url)
        if (following.scheme, following.host, following.port) != (ours.scheme, ours.host, ours.port):
            raise SourceFault("answer", f"{self._where} sends to another host for its next page; that is not followed.")
        return str(following)

    def _time(self, window: Window) -> dict[str, str]:
        """The parameters that say from when to when."""
        changed = self._said.changed
        if changed is None or window.is_whole:
            return {}
        overlap = timedelta(hours=hours_of(changed.overlap))
        since = window.first or datetime.fromisoformat(str(window.since)) - overlap
        asked = {changed.since: _written(since, changed.format)}
        if changed.until and window.last:
            asked[changed.until] = _written(window.last, changed.format)
        return asked

    def _read(self, body: bytes, link: str | None, number: int) -> Page:
        """Cut an answer into records, none of which is read further than to where it ends."""
        pages = self._said.pages
        try:
            found = _at(body, self._said.records)
            records = msgspec.json.decode(found, type=list[msgspec.Raw]) if found is not None else None
            total = _at(body, pages.total) if pages and pages.total else None
            cursor = _at(body, pages.next) if pages and pages.next else None
            following = msgspec.json.decode(cursor, type=str | int | None) if cursor is not None else None
            count = msgspec.json.decode(total, type=int | None) if total is not None else None
        except msgspec.DecodeError:
            raise Again("answer", f"{self._where}: page {number} is no JSON as the contract describes it.") from None
        if records is None:
            sentence = f"{self._where}: page {number} has no {self._said.records}; mend the contract's `records`."
            raise SourceFault("answer", sentence)
        if pages and pages.by == "link":
            following = link
        return Page(
            [bytes(record).replace(b"\r", b" ").replace(b"\n", b" ") for record in records],  # in no text of JSON's
            count,
            str(following) if following not in (None, "") else None,
            len(body),
            hashlib.sha256(body).hexdigest(),
        )


def _at(body: bytes | msgspec.Raw, path: str | None) -> bytes | msgspec.Raw | None:
    """What stands at a path of names in a JSON text, unread; None if nothing does."""
    found: bytes | msgspec.Raw | None = body
    for name in path.split(".") if path else ():
        if found is None:
            return None
        found = msgspec.json.decode(found, type=dict[str, msgspec.Raw]).get(name)
    return found


def _written(moment: datetime, form: str) -> str:
    if form == "date":
        return f"{moment.astimezone(city().zone):%Y-%m-%d}"
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
