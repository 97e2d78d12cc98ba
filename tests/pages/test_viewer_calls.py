"""Colours and tooltips of called cells in the viewer."""

import pandas as pd

from pages.parts.viewer import CALLS, NOT_SCORED, NOT_SENESCENT, SENESCENT, UNCERTAIN, call_colours, call_texts


def cells(**more: object) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "label": [1, 2, 3, 4, 5],
            "senescent": pd.array([1, 0, 1, 0, None], dtype="Int64"),
            "senescence_probability": pd.array([0.9, 0.1, 0.52, 0.45, None], dtype="Float64"),
            "exclusion_reason": ["", "", "", "", "touches border"],
        }
    )
    return table.assign(**more)


def test_cells_near_the_threshold_have_a_class_of_their_own() -> None:
    unsure = cells(uncertain=pd.array([0, 0, 1, 1, None], dtype="Int64"))
    assert call_colours(unsure) == {1: SENESCENT, 2: NOT_SENESCENT, 3: UNCERTAIN, 4: UNCERTAIN, 5: NOT_SCORED}
    assert call_texts(unsure) == {
        1: "probability 0.90",
        2: "probability 0.10",
        3: "probability 0.52, called senescent",
        4: "probability 0.45, called not senescent",
        5: "touches border",
    }


def test_assessments_of_before_have_none() -> None:
    wanted = {1: SENESCENT, 2: NOT_SENESCENT, 3: SENESCENT, 4: NOT_SENESCENT, 5: NOT_SCORED}
    assert call_colours(cells()) == wanted
    assert call_colours(cells(uncertain=pd.array([None] * 5, dtype="Int64"))) == wanted
    assert call_texts(cells())[3] == "probability 0.52"


def test_the_legend_says_it_in_words_and_colours_that_differ() -> None:
    assert CALLS[UNCERTAIN][0].startswith("Uncertain")
    assert CALLS[NOT_SCORED] == CALLS[-1]  # the last one lies below the others
    assert len({colour for _, colour in CALLS}) == len(CALLS) == 4
