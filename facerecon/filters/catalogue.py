"""What each filter does, for a reader in court, and the paper behind it. Owns words, no processing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class FilterText:
    """A filter in one plain sentence or two, and its reference."""

    description: str
    reference: str


DESCRIPTIONS: Mapping[str, FilterText] = MappingProxyType(
    {
        "gamma": FilterText(
            "Brightens dark parts by one power curve for all pixels; nothing is added.",
            "Poynton, Digital Video and HD, 2nd ed. 2012, ch. 27",
        ),
        "lime": FilterText(
            "Estimates how much light fell on each place and brightens dark places accordingly; "
            "noise in them becomes more visible.",
            "Guo, Li, Ling, LIME, IEEE Trans. Image Processing 26(2), 2017",
        ),
        "clahe": FilterText(
            "Spreads light and dark further apart in each part of the picture, within a limit; colours are kept.",
            "Zuiderveld, Contrast limited adaptive histogram equalization, Graphics Gems IV, 1994 (OpenCV)",
        ),
        "exposure": FilterText(
            "Makes the whole picture lighter or darker by one amount, as a longer or shorter exposure would.",
            "IEC 61966-2-1:1999; shoulder after Reinhard et al., SIGGRAPH 2002",
        ),
        "white-balance": FilterText(
            "Removes the colour cast of lamps or daylight by one adjustment for all pixels.",
            "Buchsbaum, J. Franklin Inst. 310, 1980 (grey world); von Kries 1902 with Lam 1985 (cone responses)",
        ),
        "nlmeans": FilterText(
            "Averages each pixel with pixels whose surroundings look alike, to reduce noise.",
            "Buades, Coll, Morel, CVPR 2005 (OpenCV fastNlMeansDenoisingColored)",
        ),
        "nlmeans-multi": FilterText(
            "Averages each pixel with pixels of this and neighbouring frames whose surroundings look alike, "
            "to reduce noise.",
            "Buades, Coll, Morel, AVSS 2005 (OpenCV fastNlMeansDenoisingColoredMulti)",
        ),
        "wavelet": FilterText(
            "Splits the picture into coarse and fine parts and weakens fine parts that are as faint as the noise.",
            "Chang, Yu, Vetterli, IEEE Trans. Image Processing 9(9), 2000 (BayesShrink, scikit-image)",
        ),
        "deblock": FilterText(
            "Softens the seams of the squares that video compression leaves; larger steps are kept as real edges.",
            "List et al., Adaptive deblocking filter, IEEE TCSVT 13(7), 2003; Wang, Bovik, Evans, ICIP 2000",
        ),
        "deblur-motion": FilterText(
            "Reverses the smear of a straight movement during the exposure, computed from its direction and length; "
            "it can leave faint echoes beside edges.",
            "Richardson 1972, Lucy 1974; Orieux et al. 2010 (Wiener); Cannon 1976 (estimate)",
        ),
        "deblur-defocus": FilterText(
            "Reverses the blur of a lens that was out of focus, computed from its size; "
            "it can leave faint echoes beside edges.",
            "Richardson 1972, Lucy 1974; Orieux et al. 2010 (Wiener); Gennery 1973 (estimate)",
        ),
        "undistort": FilterText(
            "Straightens lines that the lens bent, by moving each pixel to where it belongs.",
            "Brown 1971; Kannala, Brandt, IEEE TPAMI 28(8), 2006 (fisheye) (OpenCV)",
        ),
        "stretch": FilterText(
            "Corrects the ratio of width to height by a stated factor; no detail is added.",
            "ITU-R BT.601-7, 2011; Duchon 1979 (Lanczos)",
        ),
        "resize": FilterText(
            "Enlarges by interpolation; no detail is added.",
            "Keys 1981 (bicubic), Duchon 1979 (Lanczos), or pixel repetition (nearest)",
        ),
    }
)
"""The words for each kind of step, by the name that profiles use."""
