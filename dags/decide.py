"""The task in which a held delivery waits for a person; it holds no worker meanwhile, and the run is not failed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.providers.standard.utils.skipmixin import SkipMixin
from airflow.sdk import Param
from airflow.sdk.execution_time.hitl import upsert_hitl_detail
from decision_trigger import DecisionTrigger
from walk import walk

from etl.contract import REASON_CHARS, Choice, Contract, Text
from etl.contract.city import told

if TYPE_CHECKING:
    from etl.operate.hold import HeldDelivery
    from etl.pipeline.pipeline import Pipeline

OPTIONS: dict[str, Choice] = {"Accept": "accept", "Accept what passes": "accept-passing", "Reject": "reject"}
_NO_REASON = Text("không nêu lý do", "no reason was given")


class DecideOperator(HITLOperator, SkipMixin):
    """Asks a person about a delivery that is held, does what she decides, and walks it to its end.

    A decision on the command line counts as much. If nobody decides in time, the contract's default does.
    """

    inherits_from_skipmixin = True

    def __init__(self, *, contract: Contract, **kwargs: Any) -> None:
        # Not `maxLength`: Airflow looks at it when the answer is given already, and then fails the task.
        told = f"The agency reads it on its receipt: {REASON_CHARS} characters, what is more is cut off."
        reason = Param("", type="string", title="Reason", description=told)
        super().__init__(
            subject=f"{contract.id}: a held delivery",
            options=list(OPTIONS),
            params={"reason": reason},
            response_timeout=timedelta(days=contract.hold.days),
            **kwargs,
        )
        self.dataset = contract.id

    def execute(self, context: Any) -> None:
        """Ask, if there is something to decide."""
        from etl.pipeline.pipeline import Pipeline

        pipeline = Pipeline.from_environment()
        self._ask_if_held(pipeline, context)
        self._go_on(pipeline, context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> None:
        """Do what was decided."""
        from etl.operate.hold import Undecidable
        from etl.pipeline.pipeline import Pipeline

        if "error" in event:
            self.process_trigger_event_error(event)
        pipeline = Pipeline.from_environment()
        delivery = (self.dataset, context["dag_run"].partition_key)
        try:
            if event.get("timedout"):
                outcome = pipeline.decide_by_default(*delivery)
            elif "chosen_options" in event:
                choice = OPTIONS[event["chosen_options"][0]]
                outcome = pipeline.decide(*delivery, choice, event["responded_by_user"]["name"], _reason(event))
            else:
                raise Undecidable("It was decided on the command line.")
            self.log.info("Decided: %s", outcome.state)
        except Undecidable as error:
            self.log.info("Nothing to decide any more: %s", error)
        self._go_on(pipeline, context)

    def _ask_if_held(self, pipeline: Pipeline, context: Any) -> None:
        """Wait for a person, if it is hers to decide on the delivery."""
        from etl.operate.hold import holds

        delivery = (self.dataset, context["dag_run"].partition_key)
        for hold in holds(pipeline.ledger, pipeline.contracts):
            if (hold.entry.dataset, hold.entry.delivery_id) == delivery:
                self._ask(pipeline, context["ti"].id, hold)

    def _ask(self, pipeline: Pipeline, ti_id: Any, hold: HeldDelivery) -> None:
        from etl.operate.hold import hold_page

        options = list(OPTIONS) if hold.is_acceptable else ["Reject"]
        defaults = [option for option, choice in OPTIONS.items() if choice == hold.default]
        body = hold_page(pipeline.ledger, pipeline.storage, hold)
        subject = f"{hold.entry.name} is held"
        upsert_hitl_detail(ti_id, options, subject, body, defaults, params=self.serialized_params)
        self.log.info("%s: a person must decide until %s", subject, hold.deadline.isoformat())
        self.defer(
            trigger=DecisionTrigger(
                ti_id=ti_id,
                options=options,
                defaults=defaults,
                params=self.serialized_params,
                timeout_datetime=max(hold.deadline, datetime.now(UTC)),
                dataset=self.dataset,
                delivery_id=hold.entry.delivery_id,
            ),
            method_name="execute_complete",
        )

    def _go_on(self, pipeline: Pipeline, context: Any) -> None:
        """Walk on from where the decision, or whoever was stopped behind it, has left the delivery.

        Somebody who walks it now, at a terminal, is waited for; if it is held again in the end, it is asked again.
        """
        delivery = (self.dataset, context["dag_run"].partition_key)
        while walk(self, context, pipeline.walk_on(*delivery)).state == "held":
            self._ask_if_held(pipeline, context)
            if pipeline.ledger.get(*delivery).state == "held":
                return  # until its contract is mended, and for no person


def _reason(event: dict[str, Any]) -> str:
    """The answer's reason as a receipt can show it: an answer that was given is not asked for again over a letter."""
    from etl.delivery.display import shown

    line = " ".join(str((event["params_input"] or {}).get("reason", "")).split())
    return shown(line)[:REASON_CHARS] or told(_NO_REASON)
