"""What is true of the questions about parcels in docs/questions-business-land.md: worked out from the truth."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from simulate.cadastre import KEY
from simulate.land_marts import Cadastre, is_against, land_parcel_today, parcel_lineage, parcel_links, planned

c = pl.col


def _zones(cadastre: Cadastre) -> pl.DataFrame:
    """A row a parcel and a zone, with what both share."""
    rows = [
        dict(zip(KEY, key, strict=True))
        | {"plan": zone["plan_record"], "zone": zone["object_code"], "function": zone["land_function"]}
        | {"m2": m2, "percent": 100 * m2 / its["size"]}
        for key, its in planned(cadastre)
        for m2, zone in its["parts"]
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _built(cadastre: Cadastre) -> pl.DataFrame:
    names = [
        *KEY, "main_function", "main_percent", "max_floors", "permit_floors", "works_floors", "works", "works_accepted",
    ]  # fmt: skip
    return land_parcel_today(cadastre).filter((c("works") > 0) | (c("permits") > 0)).select(names)


def _against_plan(cadastre: Cadastre) -> pl.DataFrame:
    permits = {f"{p['authority']} {p['permit_no']}": p for p in cadastre.told.now("land.permits").to_dicts()}
    plans = dict(planned(cadastre))
    made = []
    for paper in cadastre.papers:
        if paper["kind"] == "permit" and paper["parcel"] and (parts := plans[paper["parcel"]]["parts"]):
            permit, (m2, main) = permits[paper["paper"]], parts[0]
            if is_against(permit, main):
                row = {name: permit[name] for name in ("authority", "permit_no", "floors")}
                row |= {"max_floors": main["max_floors"], "main_function": main["land_function"]}
                made.append(row | {"grade": paper["grade"], "main_percent": 100 * m2 / plans[paper["parcel"]]["size"]})
    return pl.DataFrame(made, infer_schema_length=None)


def _schools_and_greens(cadastre: Cadastre) -> pl.DataFrame:
    parcels = land_parcel_today(cadastre).select(
        *KEY,
        "main_function",
        is_residential=c("land_use_group") == "O",
        is_so=~c("planned_differs"),
        has_paper=(c("permits") > 0) | (c("works") > 0),
    )
    rows = _zones(cadastre).filter(c("function").is_in(["CX", "GD"])).join(parcels, on=KEY)
    is_used_so = c("is_so") & (c("main_function") == c("function"))
    return rows.group_by("function").agg(
        m2=c("m2").sum(),
        residential=c("m2").filter("is_residential").sum(),
        used_so=c("m2").filter(is_used_so).sum(),
        with_permit_or_work=c("m2").filter("has_paper").sum(),
    )


def _otherwise(cadastre: Cadastre) -> pl.DataFrame:
    parcels = cadastre.told.now("land.parcels").select(*KEY, "land_use", "area_m2")
    rows = land_parcel_today(cadastre).filter("planned_differs").join(parcels, on=KEY)
    area = c("area_m2").cast(pl.Float64).sum()
    return rows.group_by("land_use", "main_function").agg(parcels=pl.len(), m2=area)


def _by_grade(cadastre: Cadastre) -> pl.DataFrame:
    return parcel_links(cadastre).group_by("kind", "grade").agg(papers=c("paper").n_unique())


def _changes(cadastre: Cadastre) -> pl.DataFrame:
    def key(side: str) -> pl.Expr:
        return pl.struct(f"{side}_ward", f"{side}_sheet_no", f"{side}_parcel_no").n_unique()

    return parcel_lineage(cadastre).group_by("changed_on", "kind").agg(old=key("old"), new=key("new"))


ANSWERS: dict[str, Callable[[Cadastre], pl.DataFrame]] = {
    "The zones in which a parcel lies, with how much of it": _zones,
    "What may be built on a parcel, and what stands there": _built,
    "Permits for more floors than the plan allows, or where a road or a green is planned": _against_plan,
    "Land planned for schools and for greens": _schools_and_greens,
    "Parcels that are planned for something else than their use, by use and plan": _otherwise,
    "Permits and works by how their parcel was found": _by_grade,
    "Parcels that were split, merged or numbered anew, by day": _changes,
}
