"""Reading no more than the limits allow: sizes and line lengths are watched while bytes come in, not afterwards."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING

from etl.delivery.display import megabytes
from etl.delivery.messages import Stop
from etl.extract.lines import count_of
from etl.settings import Limits

if TYPE_CHECKING:
    from _typeshed import SupportsRead

_BLOCK = 1 << 23  # bytes
_SMALL = 1 << 20  # bytes of a packed file that may come of next to nothing


def read_blocks(stream: IO[bytes], limits: Limits, *, in_lines: bool) -> Iterator[bytes]:
    """A file's bytes, some megabytes at a time.

    Args:
        stream: the file, seekable.
        limits: what it may ask.
        in_lines: whether its format is one of lines.

    Raises:
        Stop: if the file is too large, or a line of it too long.
    """
    check_size(stream, limits)
    yield from _read(stream, limits.file_bytes, limits, in_lines=in_lines)


def check_size(stream: IO[bytes], limits: Limits) -> None:
    """Refuse a file that is too large; the stream stands at its beginning afterwards.

    Raises:
        Stop: if it is.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if size > limits.file_bytes:
        raise Stop("rejected", "file_too_large", size=megabytes(size), limit=megabytes(limits.file_bytes))


def read_unpacked(stream: SupportsRead[bytes], packed: int, limits: Limits, *, in_lines: bool) -> Iterator[bytes]:
    """The bytes of a packed file, some megabytes at a time; what it declares of its own size is not believed.

    Args:
        stream: unpacks as it is read.
        packed: bytes that it takes up packed.
        limits: what it may ask.
        in_lines: whether its format is one of lines.

    Raises:
        Stop: if it unpacks to too much, or a line of it is too long.
    """
    yield from _read(stream, most_unpacked(packed, limits), limits, in_lines=in_lines)


def most_unpacked(packed: int, limits: Limits) -> int:
    """Bytes that a packed file may unpack to, by its ratio and absolutely."""
    return min(limits.unpacked_bytes, max(_SMALL, limits.ratio * packed))


def bomb(limit: int) -> Stop:
    """What is told of a packed file that unpacks to more than `limit` bytes."""
    return Stop("rejected", "unpacks_to_too_much", limit=megabytes(limit))


def too_much_memory(limits: Limits) -> Stop:
    """What is told of a file that takes more memory to read than the limit, or that breaks what reads it."""
    return Stop("rejected", "too_much_memory", limit=megabytes(limits.memory_bytes))


def _read(stream: SupportsRead[bytes], most: int, limits: Limits, *, in_lines: bool) -> Iterator[bytes]:
    size = 0
    lines, since = 0, 0  # complete lines so far, and bytes since the last of them
    while block := stream.read(min(_BLOCK, limits.record_bytes)):
        size += len(block)
        if size > most:
            raise bomb(most)
        if in_lines:
            ends = [at for at in (block.find(b"\n"), block.find(b"\r")) if at >= 0]
            if since + min(ends, default=len(block)) > limits.record_bytes:
                raise Stop("rejected", "line_too_long", line=lines + 1, limit=megabytes(limits.record_bytes))
            since = len(block) - 1 - max(block.rfind(b"\n"), block.rfind(b"\r")) if ends else since + len(block)
            lines += max(count_of(b"\n", block), count_of(b"\r", block))
            check_rows(lines, limits)
        yield block


def check_rows(count: int, limits: Limits) -> None:
    """Refuse a file of too many rows.

    Raises:
        Stop: if there are more than the limit.
    """
    if count > limits.rows:
        raise Stop("rejected", "too_many_rows", limit=_grouped(limits.rows))


def check_columns(count: int, limits: Limits) -> None:
    """Refuse a file of too many columns.

    Raises:
        Stop: if there are more than the limit.
    """
    if count > limits.columns:
        raise Stop("rejected", "too_many_columns", limit=_grouped(limits.columns))


def check_emptiness(cells: int, filled: int, limits: Limits) -> None:
    """Refuse a table that would be nearly all empty: a few far-off cells can ask for any amount of memory.

    Raises:
        Stop: if more cells than the limit would be empty.
    """
    if cells - filled > limits.empty_cells:
        raise Stop("rejected", "mostly_empty", limit=_grouped(limits.empty_cells))


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", ".")
