"""The threat model page claims nothing without a test, and every file of hostile input has its claim."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(test_\w+)`", PAGE)


def named_in(folder: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("test_*.py")):
        found |= dict.fromkeys(
            re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE), path.name
        )
    return found


def test_every_test_that_the_page_names_exists() -> None:
    assert len(NAMED) > 40
    assert not set(NAMED) - named_in("tests").keys()


def test_every_kind_of_hostile_input_is_on_the_page() -> None:
    # The page itself needs no claim about its own checks.
    kinds = set(named_in("tests/safety").values()) - {Path(__file__).name}
    claimed = {named_in("tests/safety").get(name) for name in NAMED}
    assert kinds <= claimed


def test_every_claim_of_protection_names_its_test() -> None:
    protects = PAGE.partition("## Against what the tool protects")[2].partition("## Against what it does not")[0]
    claims = re.split(r"^- ", protects, flags=re.MULTILINE)[1:]
    assert len(claims) > 20
    for claim in claims:
        assert re.search(r"`test_\w+`", claim), claim


def test_the_largest_remaining_risk_is_said() -> None:
    rest = " ".join(PAGE.partition("## Against what it does not protect")[2].split())
    said = (
        "where decoding is not isolated",
        "Signatures can be removed",
        "Names are what people typed",
        "Side channels",
    )
    for words in said:
        assert words in rest
