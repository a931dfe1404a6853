"""Where deliveries lie between stations: zones of one data root, a folder for each delivery.

A station's output is complete when its `report.json` is there: it is written last.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from upath import UPath

from etl.delivery.model import Delivery
from etl.delivery.publish import read_json

Zone = Literal["landing", "raw", "validated", "staging", "outbox"]
# What a delivery is called, and its folders: a name from elsewhere is no path before it is one of these.
_ID = re.compile(r"(?:undated|\d{8}-r\d{1,9}(?:w\d{1,9})?(?:c\d{1,9})?)(?:w\d{1,9})?-[0-9a-f]{12,64}", re.ASCII)
_FOLDER_NAME = re.compile(r"[\w-]{1,60}")


@dataclass(frozen=True)
class Storage:
    """The data root; a local folder, or an object store, as s3://bucket/prefix."""

    root: UPath

    @property
    def inbox(self) -> UPath:
        """Where agencies drop files, in `<agency>/<dataset>/`."""
        return self.root / "inbox"

    @property
    def processed(self) -> UPath:
        """Where an inbox file goes once landing holds its bytes."""
        return self.root / "processed"

    @property
    def site(self) -> UPath:
        """The pages for all; see `etl.site`."""
        return self.root / "site"

    def folder(self, zone: Zone, delivery: Delivery) -> UPath:
        """The folder of one delivery in one zone."""
        is_by_period = zone in ("raw", "staging") and delivery.as_of is not None
        period = [f"as_of={delivery.as_of}"] if is_by_period else []
        return self.root.joinpath(zone, delivery.agency, delivery.dataset, *period, delivery.id)

    def content(self, delivery: Delivery) -> UPath:
        """The untouched bytes in landing."""
        return self.folder("landing", delivery) / f"content{Path(delivery.file_name).suffix.lower()[:10]}"

    def delivery(self, agency: str, dataset: str, delivery_id: str) -> Delivery:
        """The delivery of that name, from its manifest in landing.

        Raises:
            FileNotFoundError: if landing has no such delivery, or it is the name of none.
        """
        return Delivery.from_json(self.manifest(agency, dataset, delivery_id)["delivery"])

    def manifest(self, agency: str, dataset: str, delivery_id: str) -> dict[str, Any]:
        """What landing says of a delivery.

        Raises:
            FileNotFoundError: if landing has no such delivery, or it is the name of none.
        """
        if not (_FOLDER_NAME.fullmatch(agency) and _FOLDER_NAME.fullmatch(dataset) and _ID.fullmatch(delivery_id)):
            raise FileNotFoundError(errno.ENOENT, "that is no delivery's name", "manifest.json")
        return read_json(self.root / "landing" / agency / dataset / delivery_id / "manifest.json")
