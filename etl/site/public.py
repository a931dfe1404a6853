"""What of a receipt everybody may read: nothing that a sender wrote or named, and nothing that a person wrote of it."""

from __future__ import annotations

from etl.contract import Text
from etl.delivery.messages import bare
from etl.receipt.facts import Note, Receipt

_OURS = ("late",)  # notes that quote nothing
_REVIEWED = Text(
    "Tệp từng bị tạm giữ và đã được chấp nhận sau khi xem xét.", "The file was held and has been accepted on review."
)
_RULE = Text("Quy tắc “{rule}” của bộ dữ liệu có điều cần lưu ý.", "The dataset's rule “{rule}” found something.")


def for_public(receipt: Receipt) -> Receipt:
    """The receipt as everybody may read it.

    It holds no value of a cell as it is. But a file's name is its sender's; the sentence on a file as a whole may quote
    columns of one without a header, or the reason that a person gave; and the workbook holds the rows themselves.
    """
    return receipt.model_copy(
        update={
            "file_name": receipt.delivery,
            "message": _message(receipt),
            "notes": [note if note.rule in _OURS else _note(note) for note in receipt.notes],
            "corrections": [c.model_copy(update={"file_name": c.delivery}) for c in receipt.corrections],
            "workbook_rows": 0,
            "may_correct": False,
        }
    )


def _message(receipt: Receipt) -> Text | None:
    if receipt.message is None or receipt.rule is not None:
        return bare(receipt.rule)
    return _REVIEWED  # the one sentence without a rule


def _note(note: Note) -> Note:
    text = bare(note.rule) or Text(_RULE.vi.format(rule=note.rule), _RULE.en.format(rule=note.rule))
    return note.model_copy(update={"text": text})
