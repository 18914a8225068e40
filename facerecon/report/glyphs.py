"""Which characters the PDF's embedded fonts can show. Owns what is written in place of the others, and line breaks.

The fonts are those inside the typst package, Libertinus Serif and DejaVu Sans Mono: no other is used, so that the PDF
is the same on every machine. PDF/A forbids a character without a glyph.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from facerecon.report.language import spoken
from facerecon.report.notation import code_point
from facerecon.report.recorded import CLOSE, OPEN

# Code points that the upright styles of one of the two fonts have (cmap tables of typst 0.15), from-to in hexadecimal.
_COVERED = """
20-7E A0-241 243-245 247-249 24C-24D 250-2E9 2EC-2EE 300-33F 342-343 357-363 374-377 37A-37F 384-38A 38E-3A1 3A3-3CE
3D0-3E1 3F0-45F 462-463 470-477 490-4C4 4C7-4CC 4CF-4F9 510-511 51A-51D 531-556 559-55F 561-587 589-58A 5B0-5C3
5D0-5EA 5F0-5F4 606-607 609-60A 621-63A 640-655 660-66D 679-67B 67E-680 683-684 686-687 6F0-6F9 E81-E82 E87-E88
E94-E97 E99-E9F EA1-EA3 EAA-EAB EAD-EB9 EBB-EBC EC8-ECD 10D0-10FC 1D08-1D09 1D16-1D17 1D1D-1D1F 1D2C-1D2E 1D30-1D3C
1D3E-1D5B 1D62-1D65 1D77-1D78 1D9B-1DB7 1DB9-1DBF 1E00-1E9B 1E9E-1EF9 1F00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D
1F50-1F57 1F5F-1F7D 1F80-1FB4 1FB6-1FC4 1FC6-1FD3 1FD6-1FDB 1FDD-1FEF 1FF2-1FF4 1FF6-1FFE 2000-2027 202F-2037
2039-203F 2044-204B 2070-2071 2074-208E 2090-209C 20A0-20B5 20B8-20BA 2100-2103 2105-2106 210C-210F 2115-2117
2119-211A 211C-211D 2126-2127 212A-212B 2135-2139 214F-2151 2153-2184 2190-2220 2223-222D 2234-223D 2241-226B
226D-228B 228D-22A5 22B2-22B5 22C2-22C6 22CD-22D1 22DA-22E9 2300-2306 2308-2315 2318-2319 231C-2321 2325-232B
2335-237A 2380-2383 2388-238B 239B-23AE 23CE-23CF 2460-2473 24FF-262F 2638-268B 2690-269C 26A0-26A5 26B0-26B1
2701-2704 2706-2709 270C-2727 2729-274B 274F-2752 2758-275E 2761-277F 2798-27AF 27B1-27BE 27C5-27C6 27E6-27EB
27F5-27F7 2987-2988 2997-2998 29FA-29FB 2A6A-2A6B 2B05-2B0D 2B12-2B1A 2C60-2C70 2C74-2C77 2C79-2C7A 2C7C-2C7F
2E17-2E18 2E22-2E25 FB01-FB02 FB29-FB36 FB38-FB3C FB40-FB41 FB43-FB44 FB46-FB4E FB52-FB81 FB8A-FB95 FB9E-FB9F
FBAA-FBAD FBE8-FBE9 FBFC-FBFF FE70-FE74 FE76-FEFC
"""
_RANGES = sorted((int(first, 16), int(last, 16)) for first, last in (pair.split("-") for pair in _COVERED.split()))
_STARTS = [first for first, _ in _RANGES]
_ALWAYS = frozenset(f"\n–…×−’“”„\u202f{OPEN}{CLOSE}") | {
    chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100))
}
_ZERO_WIDTH_SPACE = "\u200b"
_LONG_WORD = re.compile(r"[^\s/-]{18,}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PIECE = 12
_LONGEST_COMPOUND = 48


def covered(character: str) -> bool:
    """Return whether the embedded fonts have a glyph for a character."""
    place = bisect_right(_STARTS, ord(character)) - 1
    return character in _ALWAYS or (place >= 0 and ord(character) <= _RANGES[place][1])


def printable(text: str, strict: bool = False) -> str:
    """Return text that the PDF can show: other characters as [U+738B], long words with places to break.

    `strict` leaves only Latin letters and the report's own punctuation: for combinations that no one font can shape.
    """
    kept = (c if c in _ALWAYS or (not strict and covered(c)) else code_point(c) for c in text)
    return _LONG_WORD.sub(_breakable, "".join(kept))


def _breakable(word: re.Match[str]) -> str:
    # A digest is set in one line and copied from there: it must stay free of invisible characters.
    if _DIGEST.fullmatch(word[0]):
        return word[0]
    # Words of languages that write compounds as one are broken between syllables, by the typesetter.
    if not spoken().english and len(word[0]) <= _LONGEST_COMPOUND and word[0].strip("„“‚‘(),.;:!?").isalpha():
        return word[0]
    return _ZERO_WIDTH_SPACE.join(word[0][i : i + _PIECE] for i in range(0, len(word[0]), _PIECE))
