"""The ways in which somebody is told: mail by Airflow's own notifier, and a POST of JSON to any address."""

from __future__ import annotations

from typing import Any

import httpx
from airflow.sdk.bases.notifier import BaseNotifier

from etl.settings import Settings

_SECONDS = 10.0


class WebhookNotifier(BaseNotifier):
    """Posts the notice as JSON.

    Attributes:
        url: where to; it may hold a secret, so no message of ours shows it.
    """

    def __init__(self, url: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.url = url

    def notify(self, context: Any) -> None:
        """Post `context["notice"]`.

        Raises:
            RuntimeError: if nobody answers, or the answer is no success.
        """
        try:
            answer = httpx.post(self.url, json=context["notice"], timeout=_SECONDS)
        except httpx.HTTPError as error:
            raise RuntimeError(f"The webhook cannot be reached ({type(error).__name__}).") from None
        if not answer.is_success:
            raise RuntimeError(f"The webhook answered {answer.status_code}.")


def notifiers(settings: Settings) -> dict[str, BaseNotifier]:
    """One notifier for each way that is set up, by its name; each is for one notice, for rendering changes it."""
    made: dict[str, BaseNotifier] = {}
    if settings.notify_mail:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier  # each task loads plugins; few send mail

        made["mail"] = SmtpNotifier(
            to=list(settings.notify_mail),
            # Templates of ours, filled from the context: whatever a notice says is never taken for a template.
            subject="{{ notice.title.vi }} / {{ notice.title.en }}",
            html_content="<p>{{ notice.text.vi | e }}</p><p>{{ notice.text.en | e }}</p>",
        )
    if settings.notify_webhook:
        made["webhook"] = WebhookNotifier(settings.notify_webhook)
    return made
