"""The chart: a bar for each target, as long as the share of it that was used up."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

_ROW, _LABELS, _BARS, _RIGHT = 26, 430, 380, 70  # pixels
_WIDEST = 2.0  # shares beyond it are cut, and their number says how much it is
_STYLE = "text{font:13px sans-serif;fill:#222}.met{fill:#2a7f62}.missed{fill:#c2452d}.bound{stroke:#222}"


def svg(made: dict[str, Any]) -> str:
    """The results' targets as bars; the line at 1 is what the target allows."""
    rows = [
        (f"{case['case']} {case['of']}: {target['target']}", _share(target), target["met"])
        for case in made["cases"]
        for target in case["targets"]
    ]
    height = _ROW * (len(rows) + 2)
    bound = _LABELS + _BARS / _WIDEST
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABELS + _BARS + _RIGHT}" height="{height}">',
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="white"/>',
        f'<text x="{bound}" y="{_ROW - 8}" text-anchor="middle">what the target allows</text>',
    ]
    for number, (label, share, met) in enumerate(rows, start=1):
        y = number * _ROW
        width = _BARS * min(share, _WIDEST) / _WIDEST
        parts += [
            f'<text x="{_LABELS - 8}" y="{y + 17}" text-anchor="end">{escape(label)}</text>',
            f'<rect class="{"met" if met else "missed"}" x="{_LABELS}" y="{y + 4}" width="{width:.1f}" height="18"/>',
            f'<text x="{_LABELS + width + 6:.1f}" y="{y + 17}">{share:.2f}</text>',
        ]
    parts += [f'<line class="bound" x1="{bound}" x2="{bound}" y1="{_ROW}" y2="{height - _ROW / 2}"/>', "</svg>"]
    return "\n".join(parts) + "\n"


def _share(target: dict[str, Any]) -> float:
    share: float = target["value"] / target["bound"]
    return share
