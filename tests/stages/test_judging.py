"""Error rates of the cells that an evaluation judged: of how many cultures they are, and what is done with those of one."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core.stages.judging import culture_table, rates


def cells(cultures: int, fields: int = 4, each: int = 20) -> pd.DataFrame:
    """Every other cell is senescent, every fifth call is wrong."""
    rows = [{"sample": f"S{c}", "experiment": "e", "fov_id": f"S{c}_{f}"} for c in range(cultures) for f in range(fields) for _ in range(each)]
    number = np.arange(len(rows))
    table = pd.DataFrame(rows).assign(**{"class": number % 2, "called": (number % 2 == 1) ^ (number % 5 == 0)})
    return table.assign(field=table["fov_id"], split="test", role="", passage="", condition="")


@pytest.mark.parametrize(("cultures", "clusters"), [(1, 4), (2, 2), (3, 3)])
def test_rates_know_of_how_many_cultures_they_are(cultures: int, clusters: int) -> None:
    for one in rates(cells(cultures)):
        assert (one.clusters, one.cultures, one.by_field) == (clusters, cultures, cultures == 1)


@pytest.mark.parametrize(("cultures", "known"), [(2, False), (4, True)])
def test_fields_of_one_other_culture_give_no_interval(cultures: int, known: bool) -> None:
    table = cells(cultures)
    found = culture_table(SimpleNamespace(manifest=table), table["called"].to_numpy(float), np.arange(len(table)), 0.5)  # type: ignore[arg-type]
    assert found["corrected_fraction"].notna().all()
    assert (found["ci_low"].notna() == known).all()
    assert (found["ci_method"].str.contains("of 4 fields of 1 culture only") != known).all()
    assert (found["ci_method"].str.contains("too few other cultures") != known).all()
