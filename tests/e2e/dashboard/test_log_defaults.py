"""How logs are shown is chosen once on the account, and once more beside a log, for this browser."""

from __future__ import annotations

SEED = "tests.e2e.dashboard.log_seed"


def choose(page, *labels):
    """Have these switches on, and no other of those of logs."""
    page.goto("/me/")
    for label in ("Wrap lines of logs", "Times in logs", "Open logs at the first line"):
        page.get_by_label(label).set_checked(label in labels)
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.").wait_for()


def test_a_log_is_shown_as_the_account_says_until_this_browser_says_otherwise(seeded, page):
    made = seeded.hand(f"{SEED}:log_of", text="".join(f"row {n} {'word ' * 90}\n" for n in range(1, 301)))

    def opened():
        page.goto(f"/runs/{made['number']}/logs/train/1/")
        page.locator("log-view[data-first] .line").first.wait_for()
        look = page.locator("log-view").get_attribute("class").split()
        return {"is-wrapped" in look, "has-times" in look}, page.get_by_label("Wrap").is_checked()

    def first():
        return int(page.locator("log-view").get_attribute("data-first"))

    assert opened() == ({False}, False)
    assert first() > 100

    choose(page, "Wrap lines of logs", "Times in logs", "Open logs at the first line")
    assert opened() == ({True}, True)
    assert page.get_by_label("Times").is_checked()
    assert first() == 1

    # Beside a log: kept by this browser.
    page.get_by_label("Wrap").uncheck()
    page.get_by_label("Times").uncheck()
    assert opened() == ({False}, False)

    choose(page)
    assert opened() == ({False}, False)
    choose(page, "Wrap lines of logs")
    page.evaluate("localStorage.clear()")
    assert opened() == ({True, False}, True)
