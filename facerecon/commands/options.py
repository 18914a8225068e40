"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facerecon.characters import is_text
from facerecon.errors import UsageError
from facerecon.report.language import languages

Media = Annotated[Path, typer.Argument(help="A video, an image, or a folder of images.", show_default=False)]
Target = Annotated[
    Path,
    typer.Argument(
        help="A case folder; or a video, image or folder of images, for which the earlier stages run first.",
        show_default=False,
    ),
]
CaseFolder = Annotated[Path, typer.Argument(help="A case folder.", show_default=False)]
CaseOption = Annotated[
    Path | None, typer.Option("--case", help="Case folder to make.", show_default="./cases/<name of the source>")
]
GalleryOption = Annotated[
    Path,
    typer.Option(
        "--gallery", help="A gallery, or a folder of known persons: NAME/*.jpg or NAME.jpg.", show_default=False
    ),
]
OptionalGallery = Annotated[
    Path | None,
    typer.Option(
        "--gallery",
        help="A gallery, or a folder of known persons: NAME/*.jpg or NAME.jpg. Without it nothing is compared.",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        "-p",
        help="Profile name (see 'facerecon profiles list') or YAML file.",
        show_default="standard, or the case's own",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override a profile key, for example --set detect.min_score=0.7. Repeatable.", show_default=False
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document (schema 1).")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no information; errors only.")]
CaseIdOption = Annotated[
    str | None, typer.Option("--case-id", help="Your case number.", show_default="the case folder's name")
]
OperatorOption = Annotated[str, typer.Option("--operator", help="Who runs this.")]
PurposeOption = Annotated[str, typer.Option("--purpose", help="Why this footage is examined.")]
LanguageOption = Annotated[
    str, typer.Option("--language", help=f"Language of the report, by its code: {', '.join(languages())}.")
]
PdfOption = Annotated[bool, typer.Option("--pdf/--no-pdf", help="Also write a PDF/A.")]
ProfileTimeOption = Annotated[
    bool, typer.Option("--profile-time", help="Also show where the time went, by stage and step.")
]
ExplainOption = Annotated[
    bool,
    typer.Option("--explain", help="Also show which parts of the faces carry the leading candidates' similarity."),
]
CalibrationOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--calibration",
        help="JSON that says what a similarity is worth; made by 'facerecon evaluate recognition'. Repeatable.",
        show_default="those that ship with the tool",
    ),
]


def require_text(**given: str | None) -> None:
    """Make sure that what was typed can be recorded: `legal_basis` is the value of --legal-basis, and so on.

    Raises:
        UsageError: one holds bytes that are not UTF-8.
    """
    for name, text in given.items():
        if not is_text(text or ""):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} '{text}' holds bytes that are not UTF-8; type it in a UTF-8 terminal")
