"""Receipt: what the agency hears back, a text to read and JSON for machines.

Reads the ledger; writes `outbox/<agency>/<dataset>/<delivery>/`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl

from etl.contract import Contract
from etl.delivery import ROW, Delivery
from etl.storage import Storage, publish, write_json
from etl.warehouse import COUNTS

_VERDICTS = {
    "loaded": ("ĐÃ NHẬN VÀO KHO DỮ LIỆU", "LOADED"),
    "held": ("TẠM GIỮ, CHỜ XEM XÉT", "HELD, A PERSON MUST DECIDE"),
    "rejected": ("KHÔNG NHẬN", "REJECTED"),
    "withdrawn": ("ĐÃ RÚT LẠI", "WITHDRAWN"),
}
_COUNT_LABELS = {
    "rejected": ("Dòng bị trả lại", "rejected"),
    "duplicates": ("Dòng trùng lặp trong tệp", "duplicates within the file"),
    "inserted": ("Dòng thêm mới", "inserted"),
    "changed": ("Dòng thay đổi", "changed"),
    "unchanged": ("Dòng không đổi", "unchanged"),
    "superseded": ("Dòng đã có bản mới hơn", "superseded by something newer"),
}
_SHOWN = 1000  # problems listed in the text; the JSON has all


def receipt(
    storage: Storage, delivery: Delivery, contract: Contract | None, entry: dict[str, Any], problems: pl.DataFrame
) -> None:
    """Publish `receipt.txt` and `receipt.json` for one delivery.

    Args:
        storage: the data root.
        delivery: whose receipt it is.
        contract: the dataset's; None if there is no such dataset.
        entry: the ledger's row of it.
        problems: of the PROBLEM schema; they go back to the agency that sent them, values included.
    """
    folder = storage.folder("outbox", delivery)
    counts = {name: entry[name] for name in ("rows_in", *COUNTS)}
    state = entry["state"]
    write_json(
        folder / "receipt.json",
        {
            "dataset": delivery.contract_id,
            "delivery": delivery.id,
            "file": delivery.file_name,
            "sha256": delivery.sha256,
            "as_of": delivery.as_of,
            "revision": delivery.revision,
            "state": state,
            "rule": entry["rule"],
            "message": {"vi": entry["message_vi"], "en": entry["message_en"]},
            "late_by_seconds": entry["late_by"].total_seconds() if entry["late_by"] else None,
            "counts": counts,
            "problems": problems.rename({ROW: "row"}).to_dicts(),
        },
    )
    labels = {c.name: c.label for c in contract.columns} if contract else {}
    title = contract.title.vi if contract else delivery.contract_id
    verdict = _VERDICTS.get(state, (state, state))
    lines = [
        "PHIẾU TIẾP NHẬN DỮ LIỆU / DATA RECEIPT",
        f"{title} ({delivery.contract_id})",
        f"Tệp / File: {delivery.file_name}",
        f"Mã lần giao / Delivery: {delivery.id}",
        f"Kết quả / Verdict: {verdict[0]} / {verdict[1]}",
        *([f"  {entry['message_vi']}", f"  {entry['message_en']}"] if entry["message_vi"] else []),
        *([f"Giao trễ / Late by: {_length(entry['late_by'])}"] if entry["late_by"] else []),
        "",
        *([f"Số dòng trong tệp / rows in the file: {counts['rows_in']}"] if counts["rows_in"] is not None else []),
        *(f"  {counts[name]:>9}  {vi} / {en}" for name, (vi, en) in _COUNT_LABELS.items() if counts[name] is not None),
    ]
    if problems.height:
        lines += ["", f"Cần sửa / To mend ({problems.height}):"]
        for p in problems.head(_SHOWN).iter_rows(named=True):
            where = "cả tệp / the whole file" if p[ROW] is None else f"dòng / row {p[ROW]}"
            where += f", {labels.get(p['column'], p['column'])}" if p["column"] else ""
            grade = "" if p["severity"] == "critical" else " (lưu ý, vẫn nhận / warning, loaded)"
            lines += [f"- {where}{grade}: {p['vi']}", f"    {p['en']}"]
        if problems.height > _SHOWN:
            lines.append(f"… {problems.height - _SHOWN} lỗi nữa trong / more in receipt.json")
    lines += ["", f"Liên hệ / Contact: {contract.contact.removeprefix('mailto:') if contract else '-'}", ""]
    with publish(folder / "receipt.txt") as aside:
        aside.write_text("\n".join(lines), encoding="utf-8")


def _length(time: timedelta) -> str:
    return f"{time.days} ngày / days" if time.days else f"{time.seconds // 3600} giờ / hours"
