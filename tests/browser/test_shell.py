"""The real app in a browser: navigation, deep links, no errors on the way."""

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.browser
PAGES = ("Assess", "Segment", "Threshold", "Dataset", "Train", "Evaluate", "Experiments", "Models")


def test_navigation_reaches_every_page(page, settle: Callable) -> None:  # type: ignore[no-untyped-def]
    for name in PAGES:
        page.get_by_role("link", name=name, exact=True).click()
        page.locator("h1").first.wait_for()
        settle(page)
        assert not page.get_by_test_id("stException").count()
        page.wait_for_function(f"() => document.title === '{name} · Senescope'")


@pytest.mark.parametrize("name", PAGES[1:])
def test_deep_link_opens_in_the_shell(open_page: Callable, server: str, settle: Callable, name: str) -> None:
    page = open_page(f"{server}/{name.lower()}")
    page.locator("h1").first.wait_for()
    settle(page)
    assert page.get_by_test_id("stTopNavLink").count() == len(PAGES)
    assert not page.get_by_test_id("stException").count()
