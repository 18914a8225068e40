"""Which processor computed: recorded, told apart, and unknown in older ledgers without harm."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from facerecon.case import Case
from facerecon.commands.case_views import differences as shown
from facerecon.commands.machine import processor
from facerecon.commands.workbench import software
from facerecon.console import Console
from facerecon.pipeline.differences import Differences, differences
from facerecon.pipeline.replaying import judge
from facerecon.profiles import load_profile
from tests.fakes import case_info

XEON = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz
flags\t\t: fpu vme sse4_2 smep avx512f fma avx avx2 f16c amx_bf16 ibrs_enhanced

processor\t: 1
model name\t: another
flags\t\t: sse2
"""
GRAVITON = "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd evtstrm sve bf16 i8mm\nCPU part\t: 0xd40\n\n"
OLD = {"torch": "2.6", "cpu": "x86_64"}
X = {**OLD, "cpu_model": "Intel Xeon X", "cpu_instructions": "avx2 avx512f"}
Y = {**OLD, "cpu_model": "Intel Xeon Y", "cpu_instructions": "avx2 avx512f"}


def test_the_first_processor_s_model_and_the_instruction_sets_that_count(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(XEON)
    assert processor(tmp_path / "cpuinfo") == {
        "cpu_model": "Intel(R) Xeon(R) Gold 6248R CPU @ 3.00GHz",
        "cpu_instructions": "amx_bf16 avx avx2 avx512f f16c fma sse4_2",
    }


def test_a_processor_without_a_name_is_told_by_its_kind(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(GRAVITON)
    found = processor(tmp_path / "cpuinfo")
    assert found["cpu_instructions"] == "asimd bf16 i8mm sve"
    assert found["cpu_model"]
    assert processor(tmp_path / "none")["cpu_model"] == found["cpu_model"]
    assert processor(tmp_path / "none")["cpu_instructions"] == ""


def test_it_is_recorded_by_every_stage_and_loads_no_network() -> None:
    assert software().items() >= processor().items()
    assert "torch" not in vars(sys.modules["facerecon.commands.machine"])


def extracted(root: Path, runtime: Mapping[str, str]) -> Case:
    profile = load_profile("standard")
    with Case.create(root, case_info(profile), profile, {"format": "test"}) as case:
        with case.stage("extract", {"runtime": dict(runtime)}, {}) as run:
            run.write("faces/t0001/f000001.original.png", runtime.get("cpu_model", "").encode())
        return case


def compared(folder: Path, a: Mapping[str, str], b: Mapping[str, str]) -> Differences:
    return differences(extracted(folder / "a", a), extracted(folder / "b", b))


def test_another_processor_of_one_kind_is_told_and_brings_the_tolerance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerecon.pipeline.outputs._PICTURES", ())
    monkeypatch.setattr("facerecon.pipeline.differences.measured", lambda *_: None)
    found = compared(tmp_path, X, Y)
    assert [(each.subject, each.a, each.b) for each in found.versions] == [
        ("cpu_model", X["cpu_model"], Y["cpu_model"])
    ]
    assert judge(found).elsewhere == ("cpu_model",)
    console = Console()
    with console.out.capture() as printed:
        console.out.print(shown(found.document(), "a", "b"))
    assert "processor: Intel Xeon X -> Intel Xeon Y" in printed.get()


@pytest.mark.parametrize(("a", "b"), [(OLD, X), (X, OLD), (OLD, OLD), (X, X)])
def test_a_ledger_that_does_not_name_its_processor_excuses_nothing(
    a: Mapping[str, str], b: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facerecon.pipeline.differences.measured", lambda *_: None)
    found = compared(tmp_path, a, b)
    assert found.versions == ()
    assert judge(found).elsewhere == ()


def test_other_one_sided_facts_are_told_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facerecon.pipeline.differences.measured", lambda *_: None)
    found = compared(tmp_path, OLD, {"torch": "2.6"})
    assert [each.subject for each in found.versions] == ["cpu"]
    assert judge(found).elsewhere == ("cpu",)
