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
    expect(shown).to_have_text(["FUSED"])
    page.clock.run_for(700)
    expect(shown).to_have_text(["ORIGINAL"])
    mode(page, "Run")
    page.clock.run_for(7000)
    expect(shown).to_have_text(["ORIGINAL"])
    mode(page, "Swap")
    expect(shown).to_have_text(["FUSED"])


def test_nothing_blinks_by_itself_where_less_motion_is_asked_for(opened) -> None:
    page = opened("full", clock=True, reduced_motion="reduce")
    viewer(page)
    mode(page, "Blink")
    page.clock.run_for(7000)
    expect(page.locator(".viewer .pane .badge:visible")).to_have_text(["ORIGINAL"])


def test_every_computed_picture_can_be_compared(opened) -> None:
    page = opened("full")
    view = viewer(page)
    options = view.locator("select option").all_text_contents()
    assert options == ["STEP 1", "RESTORED", "FUSED"]
    for name in options:
        view.locator("select").select_option(label=name)
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
    assert view.locator("output").text_content() == "16×"
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
    assert marks.count() == 4
    expect(marks.first).to_be_hidden()
    switch.click()
    expect(marks.first).to_be_visible()
    expect(switch).to_have_attribute("aria-pressed", "true")
    for index in range(4):
        inside = figure.locator(".sheet").nth(index).bounding_box()
        cross = marks.nth(index).locator("path").first.bounding_box()
        assert inside["x"] <= cross["x"] <= cross["x"] + cross["width"] <= inside["x"] + inside["width"]
    switch.click()
    expect(marks.first).to_be_hidden()


def test_a_comparison_can_be_closed_again(opened) -> None:
    page = opened("full")
    view = viewer(page)
    expect(view).to_be_visible()
    page.get_by_role("button", name="Close the comparison").click()
    expect(view).to_have_count(0)
