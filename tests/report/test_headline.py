"""The cultures that a result shows first."""

import pandas as pd

from core.report.headline import headline


def cultures(n: int) -> pd.DataFrame:
    """The last by name is the worst."""
    fractions = pd.array([k / 20 for k in range(n)], "Float64")
    return pd.DataFrame({"sample": [f"C{k}" for k in range(n)], "reported_fraction": fractions, "verdict": ["pass", "review"] * (n // 2) + ["pass"] * (n % 2)})


def test_up_to_eight_cultures_are_all_shown_by_name() -> None:
    for n in (1, 6, 8):
        shown, rest = headline(cultures(n))
        assert shown["sample"].tolist() == [f"C{k}" for k in range(n)]
        assert rest == ""


def test_of_more_the_highest_come_first_and_are_said_to() -> None:
    shown, rest = headline(cultures(11))
    assert shown["sample"].tolist() == [f"C{k}" for k in range(10, 2, -1)]
    assert (
        rest == "Shown are the 8 cultures with the highest senescent fraction of 11. For 3 more cultures (2 pass, 1 review), see the plot and the tables below."
    )


def test_a_culture_without_a_number_hides_none_that_has_one() -> None:
    table = cultures(9)
    table.loc[8, "reported_fraction"] = pd.NA
    assert headline(table)[0]["sample"].tolist() == [f"C{k}" for k in range(7, -1, -1)]
