"""Profiles from files: by name or path, with `key=value` overrides. A wrong key is an error that names it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from facerecon.errors import ProfileError
from facerecon.profiles.documents import LARGEST_CHARACTERS, parse_yaml
from facerecon.profiles.schema import Profile
from facerecon.profiles.steps import KINDS
from facerecon.resources import data_folder


def shipped_profiles() -> dict[str, Path]:
    """Return the profiles that come with the tool, by name."""
    return {path.stem: path for path in sorted(data_folder("profiles").glob("*.yaml"))}


def load_profile(name_or_path: str, overrides: tuple[str, ...] = ()) -> Profile:
    """Load a shipped profile by name or any profile by path, apply `key=value` overrides, validate.

    Raises:
        ProfileError: no such profile, not YAML, or a key is unknown or out of range (named).
    """
    path = _find(name_or_path)
    return validate(overridden(_parse(path), overrides), path.name)


def read_profile(data: bytes, where: str, overrides: tuple[str, ...] = ()) -> Profile:
    """Return a profile from a file's bytes, such as those of a case that were verified.

    Args:
        data: YAML.
        where: what the bytes are called in messages.
        overrides: `key=value`, applied before it is validated.

    Raises:
        ProfileError: not YAML, or a key is unknown or out of range (named).
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _unreadable(where, error) from None
    return validate(overridden(_mapping(text, where), overrides), Path(where).name)


def overridden(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return plain data, changed in place by `key=value` overrides such as detect.min_score=0.7.

    Raises:
        ProfileError: an override is no key=value, or names what cannot have a value.
    """
    for override in overrides:
        _apply(data, override)
    return data


def validate(data: Any, where: str) -> Profile:
    """Turn plain data into a profile.

    Raises:
        ProfileError: a key is unknown, missing or out of range; the first is named, with how many more there are.
    """
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise ProfileError(f"profile {where}: {first_problem(error, KINDS, '(whole profile)')}") from None


def first_problem(error: ValidationError, tags: Collection[str], whole: str) -> str:
    """Return the first problem of plain data in one line, with how many more there are.

    Args:
        error: what validation found.
        tags: names of alternatives, which are no keys of the user's.
        whole: what is named where a problem has no key.
    """
    problems = error.errors()
    first = problems[0]
    # A tag stands at the beginning or after a number in a list; elsewhere such a word is a key.
    places = zip((0, *first["loc"]), first["loc"], strict=False)
    key = ".".join(str(part) for before, part in places if part not in tags or not isinstance(before, int)) or whole
    message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{key}: {message}{more}"


def _find(name_or_path: str) -> Path:
    shipped = shipped_profiles()
    if name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if path.is_file():
        return path
    raise ProfileError(f"no profile '{name_or_path}'; there are {', '.join(shipped)}, or give a YAML file's path")


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as stream:
            # One more than what is allowed, so that a longer file is refused and never read whole.
            text = stream.read(LARGEST_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(str(path), error) from None
    return _mapping(text, str(path))


def _mapping(text: str, where: str) -> dict[str, Any]:
    try:
        data = parse_yaml(text)
    except ValueError as error:
        raise _unreadable(where, error) from None
    if not isinstance(data, dict):
        raise ProfileError(f"profile {where}: must be a mapping of sections")
    return data


def _unreadable(where: str, error: Exception) -> ProfileError:
    return ProfileError(f"profile {where}: cannot be read as YAML: {' '.join(str(error).split())}")


def _apply(data: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ProfileError(f"--set {override}: write it as key=value, for example detect.min_score=0.7")
    target: Any = data
    *parents, last = key.split(".")
    for part in parents:
        target = _descend(target, part, override)
    try:
        value = parse_yaml(text)
    except ValueError:
        raise ProfileError(f"--set {override}: '{text}' is not a YAML value") from None
    _assign(target, last, value, override)


def _descend(target: Any, part: str, override: str) -> Any:
    if isinstance(target, list) and part.isdigit() and int(part) < len(target):
        return target[int(part)]
    if isinstance(target, dict):
        return target.setdefault(part, {})
    raise ProfileError(f"--set {override}: '{part}' is not a section")


def _assign(target: Any, last: str, value: Any, override: str) -> None:
    if isinstance(target, list) and last.isdigit() and int(last) < len(target):
        target[int(last)] = value
    elif isinstance(target, dict):
        target[last] = value
    else:
        raise ProfileError(f"--set {override}: '{last}' is not a key here")
