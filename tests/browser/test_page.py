"""The page in a browser: filter and order, keyboard, colours, print, no script, hostile names."""

from __future__ import annotations

import io
from typing import Any

import pikepdf
import pytest
from browser_cases import CASES, QUALITIES
from playwright.sync_api import Page, expect
from report_reading import squeezed, strings

from facerecon.report.sections import document

CARDS = ".overview > li"
FOCUSABLE = "a[href], button, select, input, pre, summary, [tabindex='0']"


def tracks(page: Page) -> list[str]:
    return page.locator(f"{CARDS}:visible .head").all_text_contents()


# --- filter and order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "kept"),
    [
        ("candidate above the threshold", ["t0001", "t0004"]),
        ("compared, none above the threshold", ["t0002"]),
        ("not compared", ["t0003"]),
    ],
)
def test_the_filter_hides_tracks_everywhere_and_says_how_many(opened, choice: str, kept: list[str]) -> None:
    page = opened("varied")
    page.get_by_label("Candidate", exact=True).select_option(label=choice)
    assert tracks(page) == kept
    hidden = 4 - len(kept)
    expect(page.locator(".filter p")).to_have_text(f"{len(kept)} of 4 tracks are shown; {hidden} hidden by the filter.")
    for section in ("#timeline", "#tracks"):
        expect(page.locator(f"{section} > .hidden-note")).to_contain_text(f"{hidden} of 4 tracks are hidden")
    for name in QUALITIES:
        for place in (f"#track-{name}", f".timeline [data-track=track-{name}]", f"tr[data-track=track-{name}]"):
            expect(page.locator(place)).to_be_visible(visible=name in kept)
    page.get_by_role("button", name="Show all tracks").click()
    assert tracks(page) == list(QUALITIES)
    expect(page.locator(".hidden-note").first).to_be_hidden()


def test_the_filter_takes_words_and_quality(opened) -> None:
    page = opened("varied")
    page.get_by_label("Text", exact=True).fill("collins  EILEEN")
    assert tracks(page) == ["t0001", "t0004"]
    page.get_by_label("Quality at least", exact=True).fill("0.7")
    assert tracks(page) == ["t0004"]
    page.get_by_label("Text", exact=True).fill("no such person")
    assert tracks(page) == []
    expect(page.locator(".filter p")).to_have_text("0 of 4 tracks are shown; 4 hidden by the filter.")


@pytest.mark.parametrize(
    ("order", "sorted_by"),
    [
        ("best quality first", ["t0002", "t0004", "t0001", "t0003"]),
        ("strongest similarity first", ["t0004", "t0001", "t0002", "t0003"]),
        ("largest likelihood ratio first", ["t0004", "t0001", "t0002", "t0003"]),
        ("longest first", ["t0004", "t0003", "t0002", "t0001"]),
        ("earliest first", ["t0001", "t0002", "t0003", "t0004"]),
        ("as in the case", ["t0001", "t0002", "t0003", "t0004"]),
    ],
)
@pytest.mark.parametrize("control", ["Order", "Order of the tracks"])
def test_tracks_are_put_in_order_everywhere(opened, order: str, sorted_by: list[str], control: str) -> None:
    page = opened("varied")
    before = numbers(page)
    select = page.get_by_role("combobox", name=control, exact=True)
    select.select_option(label="longest first")
    select.select_option(label=order)
    assert tracks(page) == sorted_by
    assert sections(page) == [f"track-{name}" for name in sorted_by]
    lines = page.locator(".contents .sub").evaluate_all("all => all.map(one => one.dataset.track)")
    assert lines == sections(page)
    assert numbers(page) == before
    for name in ("Order", "Order of the tracks"):
        other = page.get_by_role("combobox", name=name, exact=True)
        assert other.locator("option:checked").text_content() == order


def sections(page: Page) -> list[str]:
    return page.locator("#tracks > section").evaluate_all("all => all.map(one => one.id)")


def numbers(page: Page) -> dict[str, str]:
    """The numbers of the tracks' sections, by their ids."""
    pairs = page.locator("#tracks > section").evaluate_all(
        "all => all.map(one => [one.id, one.querySelector('.no').textContent])"
    )
    return dict(pairs)


def test_the_order_is_said_and_links_still_lead_to_their_track(opened) -> None:
    page = opened("varied")
    page.get_by_role("combobox", name="Order of the tracks", exact=True).select_option(label="best quality first")
    said = page.locator(".order-note")
    expect(said).to_contain_text("Order of the tracks: best quality first.")
    expect(said).to_contain_text("numbers stay those of the case")
    for name in QUALITIES:
        page.locator(f".overview [data-track=track-{name}] a").click()
        assert page.url.endswith(f"#track-{name}")
        expect(page.locator(f"#track-{name}")).to_be_in_viewport()
    page.get_by_role("combobox", name="Order", exact=True).select_option(label="as in the case")
    expect(said).to_have_text("The tracks are in the order of the case.")


def test_the_order_is_chosen_by_keys(opened) -> None:
    page = opened("varied")
    page.get_by_role("combobox", name="Order of the tracks", exact=True).focus()
    page.keyboard.type("best")
    assert sections(page)[0] == "track-t0002"


def test_paper_has_the_order_of_the_case(opened) -> None:
    page = opened("varied")
    page.get_by_role("combobox", name="Order", exact=True).select_option(label="best quality first")
    chosen = sections(page)
    page.evaluate("addEventListener('beforeprint', () => window.printed = document.getElementById('tracks').innerText)")
    page.pdf(prefer_css_page_size=True)
    printed = page.evaluate("window.printed")
    places = [printed.index(f"Track {name}") for name in QUALITIES]
    assert places == sorted(places)
    assert sections(page) == chosen != sorted(chosen)


def test_a_link_to_a_hidden_track_shows_it(opened) -> None:
    page = opened("full")
    page.get_by_label("Text", exact=True).fill("no such person")
    expect(page.locator("#track-t0001")).to_be_hidden()
    page.locator("#truth").evaluate(
        "part => part.append(Object.assign(document.createElement('a'), {href: '#track-t0001', id: 'x'}))"
    )
    page.locator("#x").dispatch_event("click")
    expect(page.locator("#track-t0001")).to_be_visible()


def test_a_bar_of_the_timeline_leads_to_its_track(opened) -> None:
    page = opened("full")
    bar = page.locator(".timeline li").nth(1)
    bar.click(position={"x": 300, "y": 30})
    assert page.url.endswith("#track-t0002")
    expect(page.locator("#track-t0002")).to_be_in_viewport()


# --- keyboard, colours, size, print -----------------------------------------------------------------------------------


def test_every_control_is_reached_by_keyboard_and_seen_to_be(opened) -> None:
    page = opened("full")
    page.locator(".compare").first.get_by_role("button", name="Compare").click()
    page.locator(".viewer").get_by_role("button", name="Slide").click()
    page.evaluate("document.activeElement.blur(); window.scrollTo(0, 0)")
    wanted = page.locator(FOCUSABLE).evaluate_all(
        "all => all.filter(one => one.checkVisibility() && !one.disabled).map((one, i) => one.dataset.n = i).length"
    )
    reached: dict[str, str] = {}
    for _ in range(wanted + 3):
        page.keyboard.press("Tab")
        number, outline = page.evaluate(
            """() => { const one = document.activeElement;
              const styles = [getComputedStyle(one), getComputedStyle(one, "::after")];
              const drawn = styles.some(s => s.outlineStyle === "solid" && parseFloat(s.outlineWidth) >= 2);
              return [one.dataset.n, drawn]; }"""
        )
        if number is not None:
            reached[number] = outline
    assert len(reached) == wanted
    assert all(reached.values())


def test_every_control_has_a_name_and_a_picture_its_words(opened) -> None:
    page = opened("full")
    page.locator(".compare").first.get_by_role("button", name="Compare").click()
    nameless = page.locator("button, select, input").evaluate_all(
        "all => all.filter(one => !(one.getAttribute('aria-label') || one.textContent.trim())).length"
    )
    assert nameless == 0
    assert page.locator("img:not([alt]), img[alt='']").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_the_switch(opened, scheme: str) -> None:
    page = opened("extract-only", color_scheme=scheme)
    other = "dark" if scheme == "light" else "light"
    paper = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(paper)
    page.get_by_role("button", name=f"Use {other} colours").click()
    assert page.evaluate(paper) != before
    page.get_by_role("button", name=f"Use {scheme} colours").click()
    assert page.evaluate(paper) == before


@pytest.mark.parametrize("name", ["full", "hostile", "varied"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_wider_than_the_window(opened, name: str, width: int) -> None:
    page = opened(name, viewport={"width": width, "height": 900})
    page.locator("[aria-expanded=false]").evaluate_all("all => all.forEach(one => one.click())")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_to_a4_whole_and_without_controls(opened) -> None:
    page = opened("varied", color_scheme="dark")
    page.get_by_label("Text", exact=True).fill("no such person")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for name in QUALITIES:
        expect(page.locator(f"#track-{name}")).to_be_visible()
    assert page.locator("button:visible, select:visible, input:visible").count() == 0
    rows = page.locator("tr").evaluate_all("rows => rows.map(row => getComputedStyle(row).breakInside)")
    assert set(rows) == {"avoid"}
    too_wide = page.locator("table, pre, img").evaluate_all(
        "all => all.filter(one => one.scrollWidth > document.body.clientWidth).length"
    )
    assert too_wide == 0
    with pikepdf.open(io.BytesIO(page.pdf(prefer_css_page_size=True))) as printed:
        sizes = {tuple(round(float(edge)) for edge in sheet.mediabox[2:]) for sheet in printed.pages}
    assert sizes == {(595, 842)}


# --- without script, and with hostile words ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(CASES))
def test_without_script_all_content_is_shown_and_no_control(opened, name: str) -> None:
    page = opened(name, java_script_enabled=False)
    shown = squeezed(page.locator("body").inner_text()).casefold()
    made = document(CASES[name]())
    unseen = {made.date_utc, *(part.timeline.description for part in _timelines(made))}
    missing = [text for text in strings(made) if text not in unseen and squeezed(text).casefold() not in shown]
    assert missing == []
    assert page.locator("button, select, input").count() == 0
    for picture in page.locator("img").all():
        expect(picture).to_be_visible()


def _timelines(made: Any) -> list[Any]:
    return [block for part in made.sections for block in part.blocks if block.kind == "timeline"]


@pytest.mark.parametrize("name", ["hostile", "injected"])
def test_hostile_names_stay_words_with_every_control_used(opened, name: str) -> None:
    page = opened(name)
    page.locator("button").evaluate_all("all => all.forEach(one => one.click())")
    if name == "injected":
        page.get_by_label("Text", exact=True).fill("<img src")
        assert tracks(page) == ["t0001", "t0002"]
    assert page.locator("script").count() == 1
    assert page.locator("[onerror], [onload], iframe, object, embed, link, base, form").count() == 0
    assert page.locator("img").evaluate_all("all => all.every(one => one.src.startsWith('data:image/'))")


def test_the_policy_stops_a_script_that_got_in(browser, pages, tmp_path) -> None:
    text = (
        pages("full")
        .read_text(encoding="utf-8")
        .replace("<footer", "<script>document.title = 'ran'</script><footer", 1)
    )
    path = tmp_path / "changed.html"
    path.write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.title() != "ran"
    assert page.get_by_role("button", name="Use dark colours").count() == 1
    page.close()
