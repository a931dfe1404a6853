"""HTTP APIs: a list of records, page by page, as NDJSON: a line a record, in the very bytes in which it was sent.

No number passes through a type of ours. A page that fails is asked for again, and only that one. What changes under the
pull is noticed: the total moves, fewer or more records come than it says, or a page holds a record of the page before;
then all is asked for anew, and after some tries nothing is taken. A pull that died goes on behind the pages that it had
taken, if the first and the last of these are as they were.

The connection's login and password are what the contract's `login` needs: a key alone is the password. Its `extra` may
hold `client_cert`, `client_key` and `client_key_password` (files in PEM) for an API that asks for a certificate, and
`ca_file` for one whose own is signed by nobody whom this machine knows.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import logging
import random
import ssl
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote_plus, urljoin

import httpx
import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from etl.connectors.begun import Begun, Page
from etl.connectors.connection import Connection
from etl.connectors.database import Sheet, file_name
from etl.connectors.model import BEGUN, Complaint, FaultKind, Pulled, SourceFault, Window
from etl.contract import Contract
from etl.contract.city import city
from etl.contract.fields import hours_of
from etl.contract.servers import ApiServer, Login
from etl.delivery.display import megabytes
from etl.delivery.messages import Stop
from etl.extract import ndjson
from etl.extract.drift import check_columns
from etl.settings import Limits

log = logging.getLogger(__name__)
for _chatty in ("httpx", "httpcore"):  # else a line a request, and headers where somebody looks for a fault
    logging.getLogger(_chatty).setLevel(logging.WARNING)

_TRIES = 5  # of one page
_FIRST_PAUSE = 0.5  # seconds before the second try, and twice as long before each further one
_LONGEST_PAUSE = 300.0  # seconds that we wait if we are asked to; for longer, the next pull comes sooner
_STARTS = 3  # of a pull under which the source changes
_MOST_PAGES = 200_000
_LARGEST_PAGE = 64 << 20  # bytes
_OPENS_WITHIN = 60.0  # seconds before a token ends that it is not used any more
_PATIENCE = httpx.Timeout(60, connect=15)
_PAGE_SECONDS = 300.0  # for one that trickles in
_AGAIN = (429, 500, 502, 503, 504)


class _Again(SourceFault):
    """A fault that may be gone at the next try."""

    def __init__(self, kind: FaultKind, sentence: str, after: float = 0.0) -> None:
        super().__init__(kind, sentence)
        self.after = after


class _Changed(Exception):
    """The source has changed under the pull."""


class Api:
    """Pulls records from an HTTP API; see `etl.connectors.model.Connector`."""

    def __init__(self, contract: Contract, connection: Connection, limits: Limits) -> None:
        assert isinstance(contract.server, ApiServer)
        self._contract, self._connection, self._limits = contract, connection, limits
        self._server, self._said = contract.server, contract.server.custom_properties
        self._where = f"{connection.name} ({self._server.location})"
        self._asked_at = -float("inf")
        self._ends_at = float("inf")

    def check(self) -> list[Complaint]:
        """Ask for the first page, and compare its fields with the contract."""
        try:
            with self._client() as client:
                page = next(self._pages(client, Window()))
                return [Complaint("column", sentence, False) for sentence in self._told(page.records)]
        except SourceFault as fault:
            return [Complaint(fault.kind, str(fault))]
        except _Changed as changed:
            return [Complaint("answer", f"{self._where} {changed}.")]

    def pull(self, window: Window, into: Path) -> Iterator[Pulled]:
        """Write the records that are asked for as one NDJSON file; none if nothing has changed since."""
        lasts = timedelta(hours=hours_of(self._said.timeout))
        self._ends_at = time.monotonic() + lasts.total_seconds()
        begun = Begun(into / BEGUN, self._question(window), lasts)
        with self._client() as client:
            taken = self._still_true(client, begun, window)
        for start in range(1, _STARTS + 1):
            name = str(PurePath(file_name(self._contract, begun.at, window)).with_suffix(".ndjson"))
            try:
                with self._client() as client:
                    rows, about = self._write(self._pages(client, window, begun), into / name)
                break
            except _Changed as changed:
                begun.begin_anew()
                taken = 0
                if start == _STARTS:
                    raise SourceFault(
                        "answer",
                        f"{self._where} {changed}: it changed under {_STARTS} pulls, and nothing was taken. Pull at a "
                        "quieter hour, or ask its owner for a cursor, or for a view that stays.",
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

    def _still_true(self, client: httpx.Client, begun: Begun, window: Window) -> int:
        """How many pages that a pull which died has taken are taken over: all if the API is as it was, or none.

        A record that came or went before the last of these pages has moved what is on it. What was changed on a page in
        between is not seen, as it is not where a pull has already been.
        """
        try:
            for number in sorted({1, begun.count} if begun.count else ()):
                kept = begun.page(number)
                answered = next(itertools.islice(self._pages(client, window, begun, asks=number), number - 1, None))
                if kept is None or answered is None or not answered.says_the_same(kept):
                    raise _Changed(f"has changed at page {number} since the pull that broke off")
        except (_Changed, SourceFault) as fault:
            if isinstance(fault, _Again):  # it is away for now: what was taken waits
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
        self, client: httpx.Client, window: Window, begun: Begun | None = None, asks: int | None = None
    ) -> Iterator[Page]:
        """The pages one after the other, each once it is here as a whole; the last one, if it says so, may be empty.

        Args:
            client: that asks.
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
                page = self._page(client, url, None if is_link else asked, number)
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

    def _page(self, client: httpx.Client, url: str, asked: dict[str, str] | None, number: int) -> Page:
        tries = Retrying(
            stop=stop_after_attempt(_TRIES), wait=_pause, retry=retry_if_exception_type(_Again), reraise=True
        )
        page: Page = tries(self._ask, client, url, asked, number)
        return page

    def _ask(self, client: httpx.Client, url: str, asked: dict[str, str] | None, number: int) -> Page:
        if time.monotonic() > self._ends_at:
            raise SourceFault("timeout", f"{self._where}: the pull took longer than the contract's `timeout`.")
        wait = self._asked_at + 60 / max(1, self._said.per_minute) - time.monotonic()
        if self._said.per_minute and wait > 0 and self._asked_at > 0:
            time.sleep(wait)
        self._asked_at = time.monotonic()
        with self._faults(number), client.stream("GET", url, params=asked) as response:
            self._judge(response, number)
            body, deadline = bytearray(), time.monotonic() + _PAGE_SECONDS
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _LARGEST_PAGE:
                    sentence = f"{self._where}: page {number} is larger than {megabytes(_LARGEST_PAGE)}; ask for less."
                    raise SourceFault("too_large", sentence)
                if time.monotonic() > deadline:
                    raise _Again("timeout", f"{self._where}: page {number} did not come to an end in time.")
            link, clock = response.links.get("next", {}).get("url"), _moment(response.headers.get("Date", ""))
        return replace(self._read(bytes(body), link, number), clock=clock)

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
            raise _Again("answer", f"{self._where}: page {number} is no JSON as the contract describes it.") from None
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

    def _judge(self, response: httpx.Response, number: int) -> None:
        """Raise what an answer that is none says."""
        status, where = response.status_code, f"{self._where}: page {number}"
        if status in _AGAIN:
            after = _asked_pause(response.headers.get("Retry-After", ""))
            if after > _LONGEST_PAUSE:
                raise SourceFault("gone", f"{where}: status {status}; it is to be left alone for {after:.0f} seconds.")
            raise _Again("gone", f"{where} was refused with status {status} {_TRIES} times; nothing was taken.", after)
        if status == 401:
            raise SourceFault("password", f"{where}: it does not know who asks; mend the connection's account.")
        if status == 403:
            raise SourceFault("right", f"{where}: the account may not read it; ask for the right.")
        if status == 404:
            raise SourceFault("name", f"{where} is not there (404); mend the contract's location.")
        if not 200 <= status < 300:
            raise SourceFault("answer", f"{where} was answered with status {status}; redirects are not followed.")

    @contextmanager
    def _client(self) -> Iterator[httpx.Client]:
        with httpx.Client(
            verify=self._tls(),
            auth=self._auth(self._said.login),
            timeout=_PATIENCE,
            headers={"Accept": "application/json", "User-Agent": "citydw"},
            follow_redirects=False,
        ) as client:
            yield client

    def _auth(self, login: Login | None) -> httpx.Auth | None:
        name, secret = self._connection.login or "", self._connection.password or ""
        if login is None:
            return None
        if not secret:
            raise SourceFault("password", f"{self._where}: the connection has no password, which is the key or secret.")
        match login.by:
            case "key":
                return _Key(login.header, secret)
            case "basic":
                return httpx.BasicAuth(name, secret)
            case "oauth2":
                return _ClientCredentials(str(login.token_url), name, secret, login.scope, self._where)

    def _tls(self) -> ssl.SSLContext:
        extra = self._connection.extra
        try:
            context = ssl.create_default_context(cafile=extra.get("ca_file"))
            if extra.get("client_cert"):
                phrase = str(extra.get("client_key_password") or "-")  # without one OpenSSL asks the terminal
                context.load_cert_chain(extra["client_cert"], extra.get("client_key"), phrase)
        except (OSError, ValueError):  # ssl's own are OSErrors
            raise SourceFault("password", f"{self._where}: a certificate of the connection cannot be read.") from None
        return context

    @contextmanager
    def _faults(self, number: int) -> Iterator[None]:
        """The engineer's sentence for a way to the API that is none."""
        where = f"{self._where}: page {number}"
        try:
            yield
            return
        except httpx.TimeoutException:
            fault: SourceFault = _Again("timeout", f"{where} does not come in time; nothing was taken.")
        except httpx.TransportError as error:
            said = str(error).lower()
            if "certificate" in said or "ssl" in said or "tls" in said:
                expired = "has expired" if "expired" in said else "is wrong, or ours is not taken"
                fault = SourceFault("tls", f"{self._where}: no secure connection: its certificate {expired}.")
            elif "name or service" in said or "name resolution" in said or "nodename" in said:
                fault = SourceFault("address", f"{self._where} has a name that nobody knows; mend the address.")
            elif isinstance(error, httpx.ConnectError):
                fault = _Again("address", f"{self._where} does not answer: it is down, or a firewall is between.")
            else:
                fault = _Again("gone", f"{where} broke off {_TRIES} times; nothing was taken.")
        raise fault from None


class _Key(httpx.Auth):
    """A key in a header."""

    def __init__(self, header: str, key: str) -> None:
        self._header, self._key = header, key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers[self._header] = self._key
        yield request


class _ClientCredentials(httpx.Auth):
    """A token by OAuth 2 client credentials (RFC 6749, 4.4); a new one when it ends, or is not taken any more."""

    def __init__(self, url: str, name: str, secret: str, scope: str | None, where: str) -> None:
        self._url, self._scope, self._where = url, scope, where
        self._account = base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()
        self._token, self._ends_at = "", 0.0

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        was_new = time.monotonic() >= self._ends_at
        if was_new:
            self._take((yield self._question()))
        request.headers["Authorization"] = f"Bearer {self._token}"
        response = yield request
        if response.status_code == 401 and not was_new:
            self._take((yield self._question()))
            request.headers["Authorization"] = f"Bearer {self._token}"
            yield request

    def _question(self) -> httpx.Request:
        fields = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        return httpx.Request("POST", self._url, data=fields, headers={"Authorization": f"Basic {self._account}"})

    def _take(self, response: httpx.Response) -> None:
        body = response.read()
        if response.status_code in _AGAIN:
            raise _Again("gone", f"{self._where}: its token's server answers with status {response.status_code}.")
        if not 200 <= response.status_code < 300:
            raise SourceFault("password", f"{self._where}: no token is given for this account; mend the connection.")
        try:
            said = msgspec.json.decode(body, type=_Token)
        except msgspec.DecodeError:
            raise SourceFault("answer", f"{self._where}: what its token's server says is no token.") from None
        self._token, self._ends_at = said.access_token, time.monotonic() + said.expires_in - _OPENS_WITHIN


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0


def _pause(state: RetryCallState) -> float:
    """The seconds before the next try: what we are asked for, or longer each time, and never the same for all."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, _Again) else 0.0
    own = _FIRST_PAUSE * float(2 ** (state.attempt_number - 1))
    return max(asked, own) * random.uniform(1, 1.25)


def _asked_pause(said: str) -> float:
    """The seconds of a header `Retry-After`, which may be a number or a date; 0 if it is neither."""
    if said.strip().isdecimal():
        return float(said)
    moment = _moment(said)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment else 0.0


def _moment(said: str) -> datetime | None:
    """The moment that a header holds; None if it holds none."""
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


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
