"""Reconciliations: what several datasets together show to be wrong is counted, and told to whoever can mend it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl import site
from etl.pipeline.pipeline import Pipeline
from etl.receipt import FACTS
from etl.warehouse import marts
from etl.warehouse.mart import Mart, MartError, all_marts

BIRTHS = (
    "loai_thay_doi,thoi_diem,so,quyen_so,trang_so,noi_dang_ky,ngay_dang_ky,ho_ten,ngay_sinh,gioi_tinh,dan_toc,quoc_tich,"
    "noi_sinh,que_quan,so_dinh_danh,ho_ten_me,so_dinh_danh_me,ho_ten_cha,so_dinh_danh_cha,loai_dang_ky\r\n"
)


def birth(number: int, registered: str) -> str:
    return (
        f"T,15/01/2026 08:00:00,{number}/2026,01/2026,1,26740,{registered},Nguyễn Thị Hòa,13/01/2026,2,01,000,"
        f"Bệnh viện Từ Dũ,,0793260000{number:02},Trần Thị Lan,,,,1\r\n"
    )


def resident(number: int, changed: str) -> str:
    said = {
        "loai_thay_doi": "T", "thoi_diem": changed, "so_dinh_danh": f"0793260000{number:02}", "loai_cu_tru": "TT",
        "ho_va_ten": "Nguyễn Thị Hòa", "ngay_sinh": "13/01/2026", "gioi_tinh": "2", "dan_toc": "01", "quoc_tich": "000",
        "ma_ho": "H1", "quan_he_chu_ho": "CON", "phuong_xa": "26740", "dia_chi": "12 Lê Lợi",
        "ngay_dang_ky": "2026-01-20", "ly_do": "SINH",
    }  # fmt: skip
    return json.dumps(said, ensure_ascii=False) + "\n"


def send_residents(pipeline: Pipeline, send: Callable[..., Any], day: str, number: int) -> Any:
    file = resident(number, f"{day}T08:00:00")
    return send(pipeline, "police/residents", f"residents_{day}.ndjson", file.encode())


def told(pipeline: Pipeline, dataset: str, delivery_id: str) -> dict[str, str]:
    """The notes on a delivery's receipt, by their rules."""
    agency, name = dataset.split(".")
    page = Path(str(pipeline.storage.root)) / "outbox" / agency / name / delivery_id / FACTS
    return {note["rule"]: note["text"]["en"] for note in json.loads(page.read_text("utf-8"))["notes"]}


def test_newborns_without_a_residence_are_told_to_the_police_and_not_by_name(
    pipeline: Pipeline, send: Callable[..., Any]
) -> None:
    births = BIRTHS + birth(1, "15/01/2026") + birth(2, "15/01/2026")
    send(pipeline, "civil/births", "births_2026-01-15.csv", births.encode("utf-8-sig"))
    marts.refresh(pipeline.engine)
    with pipeline.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT sum(found) FROM ops.reconciliation").scalar_one()
    assert found == 0, "nothing is missing from a register that has not begun"

    send_residents(pipeline, send, "2026-02-27", 1)
    marts.refresh(pipeline.engine)
    with pipeline.engine.connect() as connection:
        lacking = connection.exec_driver_sql("SELECT personal_id FROM quality.newborns_not_resident").scalars().all()
    assert lacking == ["079326000002"]
    entry = send_residents(pipeline, send, "2026-02-28", 1)
    assert entry.state == "loaded", "it stops no delivery"
    says = told(pipeline, entry.dataset, entry.delivery_id)
    assert says["newborns_not_resident"].startswith("1 newborns are registered for more than 30 days")
    assert "079326000002" not in str(says)
    page = (
        Path(str(site.build(pipeline.storage, pipeline.contracts, pipeline.ledger))).parent
        / "police/residents/index.html"
    )
    assert "more than 30 days" in page.read_text("utf-8")

    send_residents(pipeline, send, "2026-03-01", 2)
    marts.refresh(pipeline.engine)
    entry = send_residents(pipeline, send, "2026-03-02", 2)
    assert "newborns_not_resident" not in told(pipeline, entry.dataset, entry.delivery_id), "it was mended"


def test_each_names_a_dataset_that_can_mend_it(pipeline: Pipeline) -> None:
    mends = {mart.name: mart.reconciliation.mends for mart in all_marts() if mart.reconciliation}
    assert len(mends) == 13
    assert set(mends.values()) <= pipeline.contracts.keys()


@pytest.mark.parametrize(
    "said", ["reconciliation: 7", "reconciliation: {mends: a.b, vi: x, en: y}", "reconciliation: {vi: x}"]
)
def test_what_is_declared_wrongly_is_refused_with_its_file(said: str) -> None:
    with pytest.raises(MartError, match=r"quality/a\.sql.*reconciliation"):
        _ = Mart(Path("sql/quality/a.sql"), f"-- {said}\nCREATE MATERIALIZED VIEW a AS SELECT 1;").reconciliation
