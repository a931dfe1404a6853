"""The ways in which somebody is told: mail by Airflow's own notifier, and a POST of JSON to any address."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
from airflow.sdk.bases.notifier import BaseNotifier

from etl.contract.city import said, told
from etl.settings import Settings

if TYPE_CHECKING:
    from etl.operate.notify import Message

_SECONDS = 10.0


class WebhookNotifier(BaseNotifier):
    """Posts the message as JSON.

    Attributes:
        url: where to; it may hold a secret, so no message of ours shows it.
    """

    def __init__(self, url: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.url = url

    def notify(self, context: Any) -> None:
        """Post `context["message"]`.

        Raises:
            RuntimeError: if nobody answers, or the answer is no success.
        """
        try:
            answer = httpx.post(self.url, json=context["message"].to_json(), timeout=_SECONDS)
        except httpx.HTTPError as error:
            raise RuntimeError(f"The webhook cannot be reached ({type(error).__name__}).") from None
        if not answer.is_success:
            raise RuntimeError(f"The webhook answered {answer.status_code}.")


# Templates of ours, filled from the context: whatever a notice says is never taken for a template.
_SUBJECT = "{{ told(message.title) }}"
_BODY = """{% for notice in message.named %}
{% if message.notices | length > 1 %}<h3>{{ told(notice.title) | e }}</h3>{% endif %}
{% for line in told(notice.text, "\n").split("\n") %}<p>{{ line | e }}</p>{% endfor %}

{% endfor %}
{% if message.more %}<p>… {{ more }}</p>{% endif %}"""


def ways(settings: Settings) -> dict[str, Callable[[Message], None]]:
    """What sends a message, for each way that is set up, by its name."""
    made: dict[str, Callable[[Message], None]] = {}
    to, url = settings.notify_mail, settings.notify_webhook
    if to:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier  # each task loads plugins; few send mail

        # A notifier for each message, for rendering changes it.
        made["mail"] = lambda message: SmtpNotifier(to=list(to), subject=_SUBJECT, html_content=_BODY)(
            {"message": message, "told": told, "more": said(f"và {message.more} mục khác", f"and {message.more} more")}
        )
    if url:
        made["webhook"] = lambda message: WebhookNotifier(url)({"message": message})
    return made
