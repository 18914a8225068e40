"""The rules that are about the project itself: docs are true, errors are in the table, the house rules hold."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from facerecon import errors
from facerecon.commands.main import COMMANDS
from facerecon.profiles import shipped_profiles

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "facerecon").rglob("*.py"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_exit_codes_are_the_documented_table() -> None:
    codes = {
        name: kind.exit_code
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }
    assert codes == {
        "FacereconError": 1,
        "UsageError": 2,
        "ProfileError": 2,
        "AnotherSourceError": 2,
        "EvidenceError": 3,
        "IntegrityError": 4,
        "ResourceError": 5,
        "BatchError": 6,
        "Interrupted": 130,
        "RestorationError": 1,
    }
    for code in sorted(set(codes.values()) | {0}):
        assert re.search(rf"^\| {code} \|", README, re.MULTILINE), f"README's exit-code table lacks {code}"


def test_readme_names_every_command_and_profile() -> None:
    for command in COMMANDS:
        assert f"`{command}" in README or f"facerecon {command}" in README, command
    for profile in shipped_profiles():
        assert f"`{profile}`" in README, profile


def test_readme_first_screen_has_the_two_commands() -> None:
    first = "\n".join(README.splitlines()[:45])
    assert "make demo" in first
    assert "make test" in first


def test_files_that_the_readme_points_to_exist() -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target


def test_changelog_keeps_a_results_heading() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    assert "### Results" in text


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_module_is_short_documented_and_named_plainly(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text)), "no module docstring"
    assert path.stem not in {"utils", "helpers", "common", "manager", "misc"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_only_the_console_writes_to_the_terminal(path: Path) -> None:
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert "print" not in calls
    assert "eval" not in calls
    assert "exec" not in calls


def test_functions_are_short() -> None:
    lengths = [
        (node.end_lineno or 0) - (node.body[1] if _documented(node) and len(node.body) > 1 else node.body[0]).lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    within = sum(length <= 50 for length in lengths) / len(lengths)
    assert within >= 0.95
    assert sorted(lengths)[len(lengths) // 2] <= 9


def _documented(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return ast.get_docstring(node) is not None


def test_torch_is_pinned_to_one_pair_for_the_tests() -> None:
    constraints = (ROOT / "constraints.txt").read_text()
    assert re.search(r"^torch==", constraints, re.MULTILINE)
    assert re.search(r"^torchvision==", constraints, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.13"


def test_no_large_or_third_party_weights_are_committed() -> None:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    assert all(path.stat().st_size < 20_000_000 for path in files if path.exists())
    assert not [path for path in files if path.suffix in {".pth", ".pt", ".onnx", ".bin", ".dat"}]
