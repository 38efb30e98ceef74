"""Tags changed on a run's page, and acts taken back: in a browser, by keys, live in other tabs, and without scripts."""

from __future__ import annotations

import pytest

from tests.e2e.dashboard.test_everyone import serious

LIVE = '#connection[data-state="live"]'


def add_tag(page, text):
    page.get_by_text("Add a tag").click()
    page.get_by_label("Tags, with commas between them").fill(text)
    page.get_by_role("button", name="Add", exact=True).click()


@pytest.mark.timeout(120)
def test_tags_are_changed_by_keys_and_other_tabs_follow_without_losing_what_is_typed(sign_in, seeded):
    run = seeded.hand("tests.e2e.dashboard.scene:running")
    mine, other = sign_in(bypass_csp=True), sign_in()
    for page in (mine, other):
        page.goto(f"/runs/{run['number']}/")
        page.locator(LIVE).wait_for()
    other.get_by_text("Add a tag").click()
    other.locator("#tag-choices option").first.wait_for(state="attached")
    other.get_by_label("Tags, with commas between them").press_sequentially("half a")

    mine.locator("#tag-add > summary").focus()
    mine.keyboard.press("Enter")
    mine.keyboard.press("Tab")
    mine.keyboard.type("gpu, v3")
    mine.keyboard.press("Enter")

    mine.get_by_text("gpu, v3 added.").wait_for()
    other.get_by_role("button", name="Take the tag gpu off").wait_for()
    field = other.get_by_label("Tags, with commas between them")
    assert field.input_value() == "half a"
    assert field.is_visible()
    assert other.evaluate("document.activeElement.id") == "tags"
    mine.get_by_role("button", name="Take the tag gpu off").press("Enter")
    other.get_by_role("button", name="Take the tag gpu off").wait_for(state="detached")
    add_tag(mine, "x" * 101)
    mine.get_by_text("has 101 characters").wait_for()
    assert mine.get_by_label("Tags, with commas between them").input_value() == "x" * 101
    assert serious(mine) == []


def test_tags_are_changed_without_scripts_on_a_phone(sign_in, scene):
    page = sign_in(java_script_enabled=False, viewport={"width": 375, "height": 740})
    page.goto(scene["run-failed"])
    add_tag(page, "seen, by-phone")
    page.get_by_role("button", name="Take the tag by-phone off").click()
    page.get_by_text("by-phone taken off").wait_for()
    assert page.get_by_role("link", name="seen", exact=True).is_visible()
    add_tag(page, "x" * 101)
    box = page.get_by_text("has 101 characters").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 375


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_an_act_is_taken_back_by_keys(sign_in, seeded, scripts):
    run = seeded.hand("tests.e2e.dashboard.scene:running")
    page = sign_in(java_script_enabled=scripts, bypass_csp=True)
    page.goto(f"/runs/{run['number']}/")
    page.get_by_role("button", name="Notify me").press("Enter")
    said = page.get_by_role("status").filter(has_text="You will be told here")
    undo = said.get_by_role("button", name="Undo")
    assert scripts is False or serious(page) == []
    page.locator("a.skip").press("Enter")
    page.keyboard.press("Tab")
    assert undo.evaluate("(button) => button === document.activeElement") if scripts else undo.is_visible()
    undo.press("Enter")
    page.get_by_text("You will not be told.").wait_for()
    page.get_by_role("button", name="Notify me", exact=True).wait_for()
