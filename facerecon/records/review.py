"""What a second examiner states on a report: the record of one review. Owns its bounds, never what reviews come to."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from facerecon.characters import DIRECTIONS
from facerecon.records.evidence import Record, Sha256

Conclusion = Literal["agree", "disagree", "inconclusive"]
MOST_REVIEWS = 99
_REFUSED = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})


def _plain(text: str, allowed: str = "") -> str:
    """Return the text, or refuse characters that are not shown or turn others around.

    Raises:
        ValueError: it holds one; the message names it.
    """
    for character in text:
        if character not in allowed and (unicodedata.category(character) in _REFUSED or character in DIRECTIONS):
            raise ValueError(f"the character U+{ord(character):04X} is not allowed here")
    return text


def _name(text: str) -> str:
    if text != text.strip() or not any(unicodedata.category(character)[0] in "LN" for character in text):
        raise ValueError("a name has letters, and no space before or after it")
    return _plain(text)


PersonName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_name)]
"""A person as people write it: 1 to 200 characters, no control characters."""
Remark = Annotated[str, Field(max_length=4000), AfterValidator(lambda text: _plain(text, "\n"))]
"""Free text: at most 4000 characters, new lines but no other control characters."""


class ReviewRecord(Record):
    """One person's conclusion on one report of a case. When it was made is the ledger's to say.

    `ledger_entries` and `ledger_head` are the ledger's length and head right after the reviewed report was written, so
    they fix all that it was made from. `key_sha256` is the fingerprint of the key that the reviewer signs with.
    """

    schema_version: Literal[1] = 1
    number: Annotated[int, Field(ge=1, le=MOST_REVIEWS)]
    reviewer: PersonName
    conclusion: Conclusion
    note: Remark = ""
    report: Annotated[str, Field(pattern=r"^report/report(-[0-9]{1,6})?\.html$")]
    report_sha256: Sha256
    ledger_entries: Annotated[int, Field(ge=1)]
    ledger_head: Sha256
    key_sha256: Sha256 | None = None
