"""XML within XML: documents in base64 that are an element's text, as in the files of health insurance claims."""

from __future__ import annotations

import base64
import binascii
import re

from lxml import etree

from etl.delivery.messages import Stop


def unpacked(content: bytes, element: str) -> bytes:
    """A file with the documents themselves where they were sent in base64; one that is there already stays.

    Args:
        content: the file; in an encoding whose plain letters are those of ASCII, else nothing in it is found.
        element: the name of the element that holds a document.

    Raises:
        Stop: if what it holds is no base64, or no well-formed XML, or declares entities.
    """
    name = re.escape(element.encode())
    held = re.compile(rb"(<%b\s*>)\s*([A-Za-z0-9+/][A-Za-z0-9+/=\s]*)(</%b\s*>)" % (name, name))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)

    def document(found: re.Match[bytes]) -> bytes:
        try:
            root = etree.fromstring(base64.b64decode(b"".join(found[2].split()), validate=True), parser)
        except (binascii.Error, etree.XMLSyntaxError):
            raise Stop("rejected", "unreadable_xml", detail=f"<{element}>") from None
        if root.getroottree().docinfo.doctype:
            raise Stop("rejected", "xml_doctype")
        text: bytes = etree.tostring(root)
        return found[1] + text + found[3]

    return held.sub(document, content)
