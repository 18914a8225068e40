"""Profiles from somebody else: data that unfolds, hides or runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facerecon.errors import ProfileError
from facerecon.profiles import load_profile, shipped_profiles
from facerecon.profiles.documents import LARGEST_CHARACTERS, MOST_NODES, parse_yaml

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)
CRAFTED = {
    "a billion laughs": (LAUGHS, f"unfolds to more than {MOST_NODES}"),
    "a list that holds itself": ("name: &a [*a]", "unfolds"),
    "lists without end": ("[" * 20_000, "nested too deeply"),
    "a key twice": (
        "evidential: true\nname: x\nevidential: false\n",
        "line 3: the key 'evidential'",
    ),
    "a long number": ("seed: " + "9" * 5000, "cannot be read"),
    "no such day": ("name: 2026-13-45", "cannot be read"),
    "a call": ("!!python/object/apply:os.mkdir ['executed']", "could not determine a constructor"),
    "a name": ("name: !!python/name:os.system", "could not determine a constructor"),
    "a module": ("name: !!python/module:os", "could not determine a constructor"),
    "a list as a key": ("{[1]: 2}", "cannot be read"),
    "too long": ("#" * (LARGEST_CHARACTERS + 1), f"more than {LARGEST_CHARACTERS} characters"),
    "an escape sequence": ("name: \x1b[2J", "cannot be read"),
    "not UTF-8": ("name: \udcff", "cannot be read"),
}


@pytest.mark.parametrize(("text", "words"), CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_profile_is_refused_in_one_line(
    text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "p.yaml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ProfileError) as caught:
        load_profile(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", [LAUGHS, "[" * 20_000, "9" * 5000, "!!python/name:os.system x", ".nan", "-.inf"])
def test_a_crafted_override_is_refused(text: str) -> None:
    with pytest.raises(ProfileError, match=r"detect\.min_score"):
        load_profile("standard", (f"detect.min_score={text}",))


def test_shipped_profiles_are_far_inside_the_limits() -> None:
    for path in shipped_profiles().values():
        assert 10 * len(path.read_text(encoding="utf-8")) < LARGEST_CHARACTERS


@given(st.text(max_size=60))
def test_arbitrary_text_is_data_or_a_value_error(text: str) -> None:
    try:
        parse_yaml(text)
    except ValueError as error:
        assert "\n" not in str(error)
