"""Asking an HTTP API for one page after another: who asks, how often, how long, and what an answer that is none says.

A page that fails is asked for again, and only that one.
"""

from __future__ import annotations

import base64
import logging
import random
import ssl
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Self
from urllib.parse import quote_plus

import httpx
import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from etl.connectors.begun import Page
from etl.connectors.connection import Connection
from etl.connectors.model import FaultKind, SourceFault
from etl.contract.servers import ApiServer, Login
from etl.delivery.display import megabytes

for _chatty in ("httpx", "httpcore"):  # else a line a request, and headers where somebody looks for a fault
    logging.getLogger(_chatty).setLevel(logging.WARNING)

_TRIES = 5  # of one page
_FIRST_PAUSE = 0.5  # seconds before the second try, and twice as long before each further one
_LONGEST_PAUSE = 300.0  # seconds that we wait if we are asked to; for longer, the next pull comes sooner
_LARGEST_PAGE = 64 << 20  # bytes
_OPENS_WITHIN = 60.0  # seconds before a token ends that it is not used any more
_PATIENCE = httpx.Timeout(60, connect=15)
_PAGE_SECONDS = 300.0  # for one that trickles in
_AGAIN = (429, 500, 502, 503, 504)

Read = Callable[[bytes, str | None, int], Page]  # of an answer's body, its link to the next one, and the page's number


class Again(SourceFault):
    """A fault that may be gone at the next try."""

    def __init__(self, kind: FaultKind, sentence: str, after: float = 0.0) -> None:
        super().__init__(kind, sentence)
        self.after = after


class Asking:
    """One conversation with an API, over connections that stay open."""

    def __init__(self, server: ApiServer, connection: Connection, where: str, ends_at: float = float("inf")) -> None:
        """Begin one.

        Args:
            server: what the contract says of the API.
            connection: who asks, and how.
            where: what messages call the API.
            ends_at: the moment (`time.monotonic`) from which no page is asked for any more.

        Raises:
            SourceFault: if the connection lacks its password, or a certificate of it cannot be read.
        """
        self._where = where
        self._ends_at = ends_at
        self._per_minute = server.custom_properties.per_minute
        self._asked_at = -float("inf")
        self._client = httpx.Client(
            verify=self._tls(connection),
            auth=self._auth(server.custom_properties.login, connection),
            timeout=_PATIENCE,
            headers={"Accept": "application/json", "User-Agent": "citydw"},
            follow_redirects=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def page(self, url: str, asked: dict[str, str] | None, number: int, read: Read) -> Page:
        """One page, once it is here as a whole.

        Args:
            url: where it is.
            asked: parameters; None if the address holds them.
            number: of the page, for messages.
            read: cuts the answer into records; an answer that is broken is asked for again.

        Raises:
            SourceFault: if it does not come, however often it is asked for.
        """
        tries = Retrying(
            stop=stop_after_attempt(_TRIES), wait=_pause, retry=retry_if_exception_type(Again), reraise=True
        )
        page: Page = tries(self._ask, url, asked, number, read)
        return page

    def _ask(self, url: str, asked: dict[str, str] | None, number: int, read: Read) -> Page:
        if time.monotonic() > self._ends_at:
            raise SourceFault("timeout", f"{self._where}: the pull took longer than the contract's `timeout`.")
        wait = self._asked_at + 60 / max(1, self._per_minute) - time.monotonic()
        if self._per_minute and wait > 0 and self._asked_at > 0:
            time.sleep(wait)
        self._asked_at = time.monotonic()
        with self._faults(number), self._client.stream("GET", url, params=asked) as response:
            self._judge(response, number)
            body, deadline = bytearray(), time.monotonic() + _PAGE_SECONDS
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _LARGEST_PAGE:
                    sentence = f"{self._where}: page {number} is larger than {megabytes(_LARGEST_PAGE)}; ask for less."
                    raise SourceFault("too_large", sentence)
                if time.monotonic() > deadline:
                    raise Again("timeout", f"{self._where}: page {number} did not come to an end in time.")
            link, clock = response.links.get("next", {}).get("url"), _moment(response.headers.get("Date", ""))
        return replace(read(bytes(body), link, number), clock=clock)

    def _judge(self, response: httpx.Response, number: int) -> None:
        """Raise what an answer that is none says."""
        status, where = response.status_code, f"{self._where}: page {number}"
        if status in _AGAIN:
            after = _asked_pause(response.headers.get("Retry-After", ""))
            if after > _LONGEST_PAUSE:
                raise SourceFault("gone", f"{where}: status {status}; it is to be left alone for {after:.0f} seconds.")
            raise Again("gone", f"{where} was refused with status {status} {_TRIES} times; nothing was taken.", after)
        if status == 401:
            raise SourceFault("password", f"{where}: it does not know who asks; mend the connection's account.")
        if status == 403:
            raise SourceFault("right", f"{where}: the account may not read it; ask for the right.")
        if status == 404:
            raise SourceFault("name", f"{where} is not there (404); mend the contract's location.")
        if not 200 <= status < 300:
            raise SourceFault("answer", f"{where} was answered with status {status}; redirects are not followed.")

    def _auth(self, login: Login | None, connection: Connection) -> httpx.Auth | None:
        name, secret = connection.login or "", connection.password or ""
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

    def _tls(self, connection: Connection) -> ssl.SSLContext:
        extra = connection.extra
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
            fault: SourceFault = Again("timeout", f"{where} does not come in time; nothing was taken.")
        except httpx.TransportError as error:
            said = str(error).lower()
            if "certificate" in said or "ssl" in said or "tls" in said:
                expired = "has expired" if "expired" in said else "is wrong, or ours is not taken"
                fault = SourceFault("tls", f"{self._where}: no secure connection: its certificate {expired}.")
            elif "name or service" in said or "name resolution" in said or "nodename" in said:
                fault = SourceFault("address", f"{self._where} has a name that nobody knows; mend the address.")
            elif isinstance(error, httpx.ConnectError):
                fault = Again("address", f"{self._where} does not answer: it is down, or a firewall is between.")
            else:
                fault = Again("gone", f"{where} broke off {_TRIES} times; nothing was taken.")
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
            raise Again("gone", f"{self._where}: its token's server answers with status {response.status_code}.")
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
    asked = error.after if isinstance(error, Again) else 0.0
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
