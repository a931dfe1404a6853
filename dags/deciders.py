"""Airflow's roles for those who decide: one an agency, for its held deliveries and their receipts, and no other's.

`python -m deciders` makes them; `init` of the compose file runs it each time. A role is made as it is written here, so
a new dataset comes to its agency's deciders by itself, and what was given to such a role by hand is taken away again.
Who has it stays as it is.

Not by `access_control` of the DAGs: Airflow reads no DAG that names a role which is not there yet.
"""

from __future__ import annotations

from collections import defaultdict

from reports import RECEIPTS

from etl.contract import load_all

READ, EDIT, MENU = "can_read", "can_edit", "menu_access"
# Of the datasets' DAGs, those alone that the role may read or edit; see `of_dag`.
OF_ALL = {
    *((READ, what) for what in ("DAG Runs", "DAG Versions", "DAG Dependencies", "Task Instances", "Task Logs")),
    *((action, "HITL Detail") for action in (READ, EDIT, MENU)),
    *((action, own) for action in (READ, EDIT) for own in ("My Password", "My Profile")),
    (READ, "Website"),
    (MENU, "DAGs"),
    (READ, RECEIPTS),
}


def of_dag(dag_id: str) -> set[tuple[str, str]]:
    """What an answer needs of its DAG. To trigger or clear also takes rights on runs and tasks, which nobody gets."""
    return {(READ, f"DAG:{dag_id}"), (EDIT, f"DAG:{dag_id}")}


def make_roles() -> dict[str, list[str]]:
    """Make the role of each agency's deciders, in Airflow's database; gives the DAGs of each role."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    dags = defaultdict(list)
    for contract in load_all().values():
        dags[f"{contract.agency} deciders"].append(f"{contract.agency}_{contract.dataset}")
    with get_application_builder() as builder:
        security = builder.sm
        for name, dag_ids in dags.items():
            wanted = OF_ALL.union(*map(of_dag, dag_ids))
            permissions = [security.create_permission(*each) for each in sorted(wanted)]
            security.add_role(name).permissions = permissions
            security.session.commit()
    return dags


if __name__ == "__main__":
    for role, dag_ids in make_roles().items():
        print(f"{role}: {', '.join(dag_ids)}")
