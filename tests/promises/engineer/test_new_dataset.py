"""Another dataset is one contract and one suite, and no Python."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from etl.pipeline.pipeline import Pipeline
from tests import TESTS
from tests.city import DATASETS, expectations_of

HEADER = "ma_truong,ten_truong,ngay_thanh_lap,dien_thoai,so_hoc_sinh\n"


def test_schools(tmp_path: Path, new_pipeline: Callable[..., Pipeline], send: Callable[..., Any]) -> None:
    contracts = expectations_of(tmp_path / "expectations", *DATASETS)
    shutil.copytree(TESTS / "schools", contracts / "education", dirs_exist_ok=True)
    pipeline = new_pipeline(contracts)

    first = HEADER + (
        "79000701,Trường THPT Lê Quý Đôn,05/09/1877,028 3930 1234,1250\n"
        "79000702,Trường THPT  Nguyễn Thị Minh Khai,,,0\n"
        "1,Trường không mã,05/09/1995,,300\n"
        "79000703,Trường THCS Hòa Bình,31/02/1995,,300\n"
    )
    entry = send(pipeline, "education/schools", "schools_2026-09-01.csv", first.encode("utf-8-sig"))
    assert entry.state == "loaded", entry.message_en
    assert (entry.rows_in, entry.rejected, entry.inserted) == (4, 2, 2)

    second = HEADER + "79000701,Trường THPT Lê Quý Đôn,05/09/1877,02839301234,1300\n"
    entry = send(pipeline, "education/schools", "schools_2026-10-01.csv", second.encode("utf-8-sig"))
    assert (entry.changed, entry.ended) == (1, 1)

    with pipeline.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT school_code, opened_on, phone, pupils, valid_from, valid_to FROM people.schools"
            " ORDER BY school_code, valid_from"
        ).all()
        flagged = connection.exec_driver_sql(
            "SELECT DISTINCT rule, row_no FROM ops.problem WHERE severity = 'warning' ORDER BY row_no"
        ).all()
        labels = connection.exec_driver_sql("SELECT obj_description('people.schools'::regclass)").scalar_one()
    founded, september, october = date(1877, 9, 5), date(2026, 9, 1), date(2026, 10, 1)
    assert [tuple(row) for row in rows] == [
        ("79000701", founded, "+842839301234", 1250, september, october),
        ("79000701", founded, "+842839301234", 1300, october, None),
        ("79000702", None, None, 0, september, october),
    ]
    # The fifth of September may be the ninth of May; the file does not show which.
    assert [tuple(row) for row in flagged] == [("has_pupils", 3), ("ambiguous_dates", None)]
    assert "trường học" in labels
