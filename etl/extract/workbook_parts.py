"""The parts of an .xlsx file: which there are, which of them are sheets, and that every program finds the same."""

from __future__ import annotations

import posixpath
import struct
import zipfile

from lxml import etree

from etl.extract.archive import Member
from etl.extract.bounded import bomb
from etl.extract.number_format import code_of

WORKBOOK = "xl/workbook.xml"
_ROOT, _RELATIONS = "_rels/.rels", "xl/_rels/workbook.xml.rels"
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True)
_CHUNK = 1 << 21  # bytes
_END = struct.Struct("<4s4H2LH")  # of a ZIP without a comment: what says where the list of its members is


def has_one_reading(archive: zipfile.ZipFile, content: bytes) -> bool:
    """Whether calamine finds the same parts in the archive: one list of them, at the end, where the file says it is.

    A file may hold several lists, or a name twice, and each program then chooses otherwise.
    """
    names = [member.filename.lower().replace("\\", "/") for member in archive.infolist()]
    end = content[-_END.size :]
    if archive.comment or len(set(names)) < len(names) or not content.startswith(b"PK\3\4") or len(end) < _END.size:
        return False
    *_, size, at, _ = _END.unpack(end)
    return bool(at == archive.start_dir and at + size == len(content) - _END.size)


def check_unpacked_size(archive: zipfile.ZipFile, most: int) -> None:
    """Unpack all parts, for nothing but to see that they are whole.

    Raises:
        Stop: if they are more than so many bytes together.
    """
    size = 0
    for member in archive.infolist():
        with Member(archive, member) as stream:
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
                if size > most:
                    raise bomb(most)


def tree(archive: zipfile.ZipFile, name: str) -> etree._Element:
    """A part as XML, its root."""
    with Member(archive, archive.getinfo(name)) as part:
        return etree.fromstring(part.whole(), _PARSER)


def sheet_parts(about: etree._Element, archive: zipfile.ZipFile) -> list[str]:
    """Names of the parts that hold the sheets, in the order in which calamine counts them.

    Raises:
        ValueError: if calamine could take other parts for them, or one of them twice.
    """
    there = {member.filename.lower() for member in archive.infolist()}
    for target in _targets(archive, _ROOT, of="/officeDocument").values():  # calamine reads the workbook beside it
        if posixpath.dirname(target) != "xl":
            raise ValueError("another workbook")
    targets = _targets(archive, _RELATIONS)
    parts = []
    for sheet in about.findall("{*}sheets/{*}sheet"):
        (relation,) = (value for name, value in sheet.items() if name.endswith("}id"))
        parts.append(targets[relation])
    names = {part.lower() for part in parts}
    if len(names) < len(parts) or not names <= there:
        raise ValueError("a sheet without a part of its own")
    return parts


def _targets(archive: zipfile.ZipFile, name: str, of: str = "") -> dict[str, str]:
    """The parts that a part of relations names, by their ids; of the types that end so.

    Raises:
        ValueError: if a name can be understood in two ways.
    """
    relations = tree(archive, name).findall("{*}Relationship")
    targets: dict[str, str] = {}
    for relation in relations:
        target, its_id = relation.attrib["Target"], relation.attrib["Id"]
        if not relation.get("Type", "").endswith(of) or relation.get("TargetMode") == "External":
            continue
        if its_id in targets:
            raise ValueError("two parts of one id")
        base = posixpath.dirname(posixpath.dirname(name))
        path = target[1:] if target.startswith("/") else posixpath.join(base, target)
        if path != posixpath.normpath(path) or "\\" in path or "%" in path:
            raise ValueError("a roundabout name")
        targets[its_id] = path
    return targets


def formats(archive: zipfile.ZipFile, name: str) -> list[str]:
    """The number format of each style."""
    styles = tree(archive, name)
    custom = {int(f.attrib["numFmtId"]): f.attrib["formatCode"] for f in styles.findall("{*}numFmts/{*}numFmt")}
    return [code_of(int(style.get("numFmtId", "0")), custom) for style in styles.findall("{*}cellXfs/{*}xf")]
