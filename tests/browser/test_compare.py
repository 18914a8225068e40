"""The viewer of a comparison: slider, blink, zoom and landmarks do what they say, at one place in both pictures."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

STAGE = ".viewer .stage"


def viewer(page: Page) -> Locator:
    figure = page.locator(".compare").first
    figure.get_by_role("button", name="Compare").click()
    return figure.locator(".viewer")


def mode(page: Page, name: str) -> None:
    page.locator(".viewer").get_by_role("button", name=name, exact=True).click()


def pixels(stage: Locator) -> npt.NDArray[np.uint8]:
    """What is seen of a face, without the strip under it, where edges are drawn between pixels of the screen."""
    return np.asarray(Image.open(io.BytesIO(stage.screenshot())).convert("RGB"))[2:500]


def boxes(page: Page) -> list[dict[str, float]]:
    """Left, top, width and height of every sheet, seen from its stage."""
    return page.locator(f"{STAGE} .sheet").evaluate_all(
        """sheets => sheets.map(sheet => {
          const [a, b] = [sheet.getBoundingClientRect(), sheet.closest(".stage").getBoundingClientRect()];
          return {left: a.left - b.left, top: a.top - b.top, width: a.width, height: sheet.querySelector("img").width};
        })"""
    )


def test_the_slider_moves_the_border_between_the_pictures(opened) -> None:
    page = opened("full", reduced_motion="reduce")
    viewer(page)
    mode(page, "Blink")
    original = pixels(page.locator(STAGE))
    mode(page, "Swap")
    computed = pixels(page.locator(STAGE))
    assert not np.array_equal(original, computed)
    mode(page, "Slide")
    stage, slider = page.locator(STAGE), page.locator(".viewer .slider")
    slider.fill("100")
    assert np.array_equal(pixels(stage), original)
    slider.fill("0")
    assert np.array_equal(pixels(stage), computed)
    slider.fill("40")
    mixed, border = pixels(stage), round(0.4 * original.shape[1])
    assert np.array_equal(mixed[:, : border - 2], original[:, : border - 2])
    assert np.array_equal(mixed[:, border + 2 :], computed[:, border + 2 :])


def test_the_slider_is_moved_by_keys(opened) -> None:
    page = opened("full")
    viewer(page)
    mode(page, "Slide")
    slider = page.locator(".viewer .slider")
    slider.focus()
    before = page.locator(f"{STAGE} .sheet").first.evaluate("sheet => sheet.style.clipPath")
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "51"
    assert page.locator(f"{STAGE} .sheet").first.evaluate("sheet => sheet.style.clipPath") != before


def test_blink_shows_one_picture_at_a_time_and_says_which(opened) -> None:
    page = opened("full", clock=True)
    viewer(page)
    mode(page, "Blink")
    shown = page.locator(".viewer .pane .badge:visible")
    expect(shown).to_have_text(["ORIGINAL"])
    page.clock.run_for(700)
    expect(shown).to_have_text(["FUSED and RESTORED"])
    page.clock.run_for(700)
    expect(shown).to_have_text(["ORIGINAL"])
    mode(page, "Run")
    page.clock.run_for(7000)
    expect(shown).to_have_text(["ORIGINAL"])
    mode(page, "Swap")
    expect(shown).to_have_text(["FUSED and RESTORED"])


def test_nothing_blinks_by_itself_where_less_motion_is_asked_for(opened) -> None:
    page = opened("full", clock=True, reduced_motion="reduce")
    viewer(page)
    mode(page, "Blink")
    page.clock.run_for(7000)
    expect(page.locator(".viewer .pane .badge:visible")).to_have_text(["ORIGINAL"])


def test_every_computed_picture_can_be_compared(opened) -> None:
    page = opened("full")
    view = viewer(page)
    sides = view.get_by_label("With", exact=True)
    options = sides.locator("optgroup").first.locator("option").all_text_contents()
    assert options == ["STEP 1", "RESTORED", "FUSED", "FUSED and RESTORED"]
    for name in options:
        sides.select_option(label=name)
        expect(view.locator(".pane .badge")).to_have_text(["ORIGINAL", name])


@pytest.mark.parametrize("width", [1280, 390])
def test_zoom_shows_pixels_at_the_same_place_in_both(opened, width: int) -> None:
    page = opened("full", viewport={"width": width, "height": 900})
    view = viewer(page)
    view.get_by_label("Zoom", exact=True).fill("16")
    first, second = boxes(page)
    assert first == pytest.approx(second)
    stage = page.locator(STAGE).first
    across = first["width"] / 41
    seen = pixels(stage)
    # 41 px across: what is seen of the original has no more colours than the source pixels it can show.
    assert len(np.unique(seen.reshape(-1, 3), axis=0)) <= np.prod(np.ceil(np.array(seen.shape[:2]) / across) + 1)
    expect(view.locator("label", has_text="Zoom").locator("output")).to_have_text("16×")
    drawn = page.locator(f"{STAGE} img").evaluate_all("all => all.map(one => getComputedStyle(one).imageRendering)")
    assert drawn == ["pixelated", "pixelated"]


def test_the_detail_is_moved_by_click_and_keys_and_stays_inside(opened) -> None:
    page = opened("full")
    view = viewer(page)
    view.get_by_label("Zoom", exact=True).fill("4")
    stage = page.locator(STAGE).first
    stage.focus()
    before = boxes(page)
    page.keyboard.press("ArrowRight")
    after = boxes(page)
    assert after[0]["left"] < before[0]["left"]
    assert after[0] == pytest.approx(after[1])
    for _ in range(60):
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowUp")
    assert (boxes(page)[0]["left"], boxes(page)[0]["top"]) == (0, 0)
    stage.click(position={"x": 200, "y": 200})
    assert boxes(page)[1]["left"] < 0
    page.keyboard.press("+")
    assert view.get_by_label("Zoom", exact=True).input_value() == "5"


def test_landmarks_can_be_switched_and_lie_on_the_face(opened) -> None:
    page = opened("full")
    figure = page.locator(".compare").first
    marks, switch = figure.locator(".marks"), figure.get_by_role("button", name="Landmarks")
    assert marks.count() == 5
    expect(marks.first).to_be_hidden()
    switch.click()
    expect(marks.first).to_be_visible()
    expect(switch).to_have_attribute("aria-pressed", "true")
    for index in range(5):
        inside = figure.locator(".sheet").nth(index).bounding_box()
        cross = marks.nth(index).locator("path").first.bounding_box()
        assert inside["x"] <= cross["x"] <= cross["x"] + cross["width"] <= inside["x"] + inside["width"]
    switch.click()
    expect(marks.first).to_be_hidden()


# --- maps -------------------------------------------------------------------------------------------------------------

MAPS = [
    "MAP: frames behind the fused picture",
    "MAP: how far the fused frames differ",
    "MAP: what the model changed in the fused picture",
    "MAP: error that the model expects in the fused picture",
    "MAP: detail beyond the original",
    "MAP: error that the model expects",
]
DETAIL = "MAP: detail beyond the original"


def sources(page: Page) -> list[list[str]]:
    """The pictures of every sheet of the viewer, as they are drawn."""
    return page.locator(f"{STAGE} .sheet").evaluate_all(
        "sheets => sheets.map(sheet => [...sheet.querySelectorAll('img')].map(one => one.src))"
    )


@pytest.mark.parametrize("name", MAPS)
def test_a_map_can_be_one_side(opened, name: str) -> None:
    page = opened("doubted", reduced_motion="reduce")
    view = viewer(page)
    view.get_by_label("With", exact=True).select_option(label=name)
    expect(view.locator(".pane .badge")).to_have_text(["ORIGINAL", name])
    expect(view).to_contain_text("what they mean is said under Figure 6")
    (original,), (map_source,) = sources(page)
    assert map_source != original
    assert map_source in page.locator("[data-map-of] img").evaluate_all("all => all.map(one => one.src)")
    first, second = boxes(page)
    assert first == pytest.approx(second)
    expect(view.get_by_label("Map over the computed picture")).to_be_disabled()


def test_a_map_can_lie_over_the_computed_picture_alone(opened) -> None:
    page = opened("doubted", reduced_motion="reduce")
    view = viewer(page)
    before = sources(page)
    view.get_by_label("Map over the computed picture").select_option(label=DETAIL)
    expect(view.locator(".pane .badge")).to_have_text(["ORIGINAL", "FUSED and RESTORED", DETAIL])
    (original,), (computed, cover) = sources(page)
    assert [[original], [computed]] == before
    assert cover not in (original, computed)
    below = page.locator(f"{STAGE} .cover").evaluate("one => one.naturalHeight / one.naturalWidth")
    assert below > 1.02 * 47 / 41, "the map's own strip, which must not lie over the picture's"
    drawn = (
        page.locator(f"{STAGE} .sheet")
        .nth(1)
        .locator("img")
        .evaluate_all("all => all.map(one => one.getBoundingClientRect()).map(box => [box.left, box.top])")
    )
    assert drawn[0] == pytest.approx(drawn[1])
    size = page.locator(f"{STAGE} .cover").bounding_box()
    assert size["height"] / size["width"] == pytest.approx(47 / 41, rel=0.01)
    assert size["width"] == pytest.approx(boxes(page)[0]["width"], abs=0.5)


def test_the_map_over_a_picture_is_as_opaque_as_the_slider_says(opened) -> None:
    page = opened("doubted", reduced_motion="reduce")
    view = viewer(page)
    mode(page, "Blink")
    mode(page, "Swap")
    bare = pixels(page.locator(STAGE))
    view.get_by_label("Map over the computed picture").select_option(label=DETAIL)
    opacity = view.get_by_label("Opacity of the map")
    mode(page, "Swap")
    opacity.fill("0")
    assert np.array_equal(pixels(page.locator(STAGE)), bare)
    opacity.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert opacity.input_value() == "100"
    expect(view).to_contain_text("100 %")
    covered = pixels(page.locator(STAGE))
    assert not np.array_equal(covered, bare)
    view.get_by_label("Map over the computed picture").select_option("")
    view.get_by_label("With", exact=True).select_option(label=DETAIL)
    mode(page, "Swap")
    assert np.array_equal(pixels(page.locator(STAGE)), covered)


def test_only_the_maps_of_the_shot_are_offered(opened) -> None:
    page = opened("full")
    figures = page.locator(".compare")
    for index, wanted in enumerate([MAPS[:5], []]):
        figures.nth(index).get_by_role("button", name="Compare").click()
        view = figures.nth(index).locator(".viewer")
        groups = view.get_by_label("With", exact=True).locator("optgroup")
        assert groups.count() == (2 if wanted else 1)
        if wanted:
            assert groups.nth(1).locator("option").all_text_contents() == wanted
        assert view.get_by_label("Map over the computed picture").count() == bool(wanted)


def test_a_comparison_can_be_closed_again(opened) -> None:
    page = opened("full")
    view = viewer(page)
    expect(view).to_be_visible()
    page.get_by_role("button", name="Close the comparison").click()
    expect(view).to_have_count(0)
