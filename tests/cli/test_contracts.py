"""The JSON that scripts rely on, the exit codes, and that a case survives every command (schema 1)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Program, Sample

CHEAP = (
    "--set",
    "extract.sample={every: 4}",
    "--set",
    "enhance.shots=1",
    "--set",
    "extract.motion.enabled=false",
    "--set",
    "enhance.steps=[{kind: resize, method: bicubic, scale: 2}]",
    "--quiet",
)


def test_whole_job_documents_have_the_promised_keys(sample: Sample) -> None:
    document = sample.document
    assert document["schema"] == 1
    assert {"case", "extract", "enhance", "recognize", "report"} <= set(document)
    assert {"case", "source", "frames", "tracks", "skipped"} <= set(document["extract"])
    assert set(document["extract"]["source"]) == {"path", "sha256"}
    assert set(document["extract"]["frames"]) == {"requested", "written", "failed", "skipped"}
    assert {"id", "first_s", "last_s", "detections", "best"} == set(document["extract"]["tracks"][0])
    assert {"track", "original", "restored", "model", "precision"} <= set(document["enhance"]["restored"][0])
    assert {"track", "variant", "rank", "identity", "similarity", "threshold", "above_threshold"} <= set(
        document["recognize"]["candidates"][0]
    )
    assert {"case", "html", "pdf", "ledger_head"} == set(document["report"])


def test_named_files_exist(sample: Sample) -> None:
    for track in sample.document["extract"]["tracks"]:
        assert all(Path(path).is_file() for path in track["best"])
    for record in sample.document["enhance"]["restored"]:
        assert Path(record["original"]).is_file()
        assert Path(record["restored"]).is_file()


def test_stages_one_by_one_meet_through_the_case(
    facerecon: Program, short_clip: Path, gallery: Path, tmp_path: Path
) -> None:
    case = tmp_path / "c"
    extract = facerecon("extract", short_clip, "--case", case, "--json", *CHEAP)
    assert extract.code == 0, extract.err
    assert extract.document["schema"] == 1
    enhance = facerecon("enhance", case, "--json", "--quiet", *CHEAP[2:-1])
    assert enhance.code == 0, enhance.err
    assert enhance.document["restored"][0]["model"] is None
    recognize = facerecon("recognize", case, "--gallery", gallery, "--json", "--quiet")
    assert recognize.code == 0, recognize.err
    assert recognize.document["candidates"][0]["identity"] == "astronaut"
    report = facerecon("report", case, "--no-pdf", "--json", "--quiet")
    assert report.code == 0, report.err
    assert report.document["pdf"] is None
    verify = facerecon("verify", case, "--json")
    assert (verify.code, verify.document["ok"], verify.document["problems"]) == (0, True, [])


def test_finished_case_is_never_overwritten(facerecon: Program, sample: Sample) -> None:
    before = facerecon("verify", sample.case, "--json").document["ledger_head"]
    for command in ("extract", "enhance", "run"):
        again = facerecon(
            command, sample.clip, "--case", sample.case, *(("--gallery", sample.gallery) if command == "run" else ())
        )
        assert again.code == 2, again.err
        assert "nothing was changed" in again.error
    assert facerecon("verify", sample.case, "--json").document["ledger_head"] == before


def test_case_of_another_source_is_refused(facerecon: Program, sample: Sample, tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(sample.clip.read_bytes() + b"\0")
    outcome = facerecon("enhance", other, "--case", sample.case)
    assert outcome.code == 2
    assert "another source" in outcome.error


def test_flipped_byte_is_exit_4_and_named(facerecon: Program, sample: Sample, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.case, copy)
    assert facerecon("verify", copy).code == 0
    for path in sorted(p for p in copy.rglob("*") if p.is_file()):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        outcome = facerecon("verify", copy, "--json")
        assert outcome.code == 4, path
        assert not outcome.document["ok"]
        assert any(path.name in problem for problem in outcome.document["problems"])
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert facerecon("report", copy, "--no-pdf").code == 0


def test_recognize_and_report_again_keep_what_was_there(facerecon: Program, sample: Sample, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.case, copy)
    assert facerecon("recognize", copy, "--gallery", sample.gallery, "--quiet").code == 0
    outcome = facerecon("report", copy, "--json", "--quiet")
    assert outcome.document["html"].endswith("report-2.html")
    assert (copy / "report/report.html").read_bytes() == (sample.case / "report/report.html").read_bytes()
    assert facerecon("verify", copy).code == 0


def test_quiet_json_prints_the_document_and_nothing_else(facerecon: Program, sample: Sample) -> None:
    outcome = facerecon("verify", sample.case, "--json", "--quiet")
    assert outcome.err == ""
    assert outcome.out.startswith("{")


def test_tables_for_people_use_careful_words(facerecon: Program, sample: Sample, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.case, copy)
    out = facerecon("recognize", copy, "--gallery", sample.gallery).out
    assert "not a statement of who a person is" in out
    assert "does not exclude anyone" in out
    assert not any(word in out.lower() for word in (" match", "identif", "confirm"))


def test_two_runs_give_identical_records_and_pictures(facerecon: Program, short_clip: Path, tmp_path: Path) -> None:
    cases = [tmp_path / "a", tmp_path / "b"]
    for case in cases:
        assert facerecon("enhance", short_clip, "--case", case, *CHEAP).code == 0
    listings = [
        {
            p.relative_to(case): p.read_bytes()
            for p in case.rglob("*")
            if p.is_file() and p.parts[len(case.parts)] in ("records", "faces")
        }
        for case in cases
    ]
    assert listings[0] == listings[1]
    assert len(listings[0]) > 10


def test_listings(facerecon: Program) -> None:
    profiles = facerecon("profiles", "list", "--json").document["profiles"]
    assert {"standard", "fast", "lowlight", "evidential"} <= {p["name"] for p in profiles}
    assert facerecon("profiles", "show", "lowlight").out.startswith("schema: 1")
    assert facerecon("profiles", "validate", "standard", "fast").code == 0
    weights = {w["id"]: w for w in facerecon("weights", "list", "--json").document["weights"]}
    assert weights["realesrgan-x4plus"]["state"] == "present"
    assert facerecon("weights", "verify").code == 0
    doctor = facerecon("doctor", "--json").document
    assert doctor["profiles"]["standard"] == []
    assert "torch" in doctor["runtime"]
    assert "fetch" in facerecon("doctor").out


@pytest.mark.parametrize("arguments", [("--help",), ("verify", "--help"), ("--version",), ("profiles", "list")])
def test_light_commands_never_import_torch(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys; from facerecon.commands.main import run; code = run(sys.argv[1:]);"
        "heavy = {'torch', 'basicsr', 'gfpgan', 'facexlib', 'cv2', 'av'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_report_and_verify_never_import_torch(sample: Sample, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample.case, copy)
    code = (
        "import sys; from facerecon.commands.main import run; c = run(['report', sys.argv[1]]) or "
        "run(['verify', sys.argv[1]]); sys.exit('torch' if 'torch' in sys.modules else c)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
