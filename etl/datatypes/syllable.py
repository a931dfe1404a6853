"""What a Vietnamese syllable is: the language writes each as a word of its own, and has few."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")  # grave, acute, tilde, hook above, dot below
_STOPPED = frozenset("\u0301\u0323")  # the tones that a syllable with c, ch, p or t at its end may have
# An onset, and one of these rimes (the tone left out). "oe" follows few onsets: "Noé" and "Chloé" are French.
_SYLLABLE = re.compile(
    "(?:[bcdđghklmnpqrstvx]|ch|g[hi]|kh|ngh?|nh|ph|qu|t[hr])?(?:"
    "a[cimnoptuy]?|ach|a?ng|anh|ă[cmnpt]|ăng|â[cmnptuy]|âng|e[cmnopt]?|eng|ê[mnptu]?|êch|ênh|i[amnptu]?|ich|inh|"
    "i?ê[cmnptu]|i?êng|o[acimnpt]?|o?ong|ooc|oa[cimnopty]|oang|oa?nh|oach|oă[cmnt]|oăng|ô[cimnpt]?|ông|"
    "ơ[imnpt]?|u[acimnpty]?|ung|uâ[nty]|uâng|uê|u?êch|uênh|uô[cimnt]|uông|uơ|uy[anptu]?|uyê[nt]|uych|uynh|"
    "ư[acimtu]?|ưng|ươ[cimnptu]|ương|y|yê[mntu]|yêng)"
    "|(?:h|kh|l|t|th|x|ch|ng|nh|r)?oe[not]?"
)


@lru_cache(maxsize=1 << 16)
def is_syllable(word: str) -> bool:
    """Whether a word has the form of a Vietnamese syllable, in any case, with its tone mark on whichever vowel."""
    marks = unicodedata.normalize("NFD", word.lower())
    tones = [mark for mark in marks if mark in _TONES]
    bare = unicodedata.normalize("NFC", "".join(mark for mark in marks if mark not in _TONES))
    if len(tones) > 1 or _SYLLABLE.fullmatch(bare) is None:
        return False
    return not tones or tones[0] in _STOPPED or not bare.endswith(("c", "ch", "p", "t"))
