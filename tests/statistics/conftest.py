"""Small assessments with counts known by hand."""

from collections.abc import Callable

import pandas as pd
import pytest

from core.tables import ASSESSED_CELLS, EXCLUSIONS, typed


@pytest.fixture
def make_cells() -> Callable[..., pd.DataFrame]:
    """``make_cells(f1=(senescent, not senescent, touches border, too small, no contrast), ...)``."""

    def build(**counts: tuple[int, ...]) -> pd.DataFrame:
        rows = []
        for fov, numbers in counts.items():
            kinds = [(False, "", 1), (False, "", 0), *((True, reason, None) for reason in EXCLUSIONS)]
            flat = [kind for kind, number in zip(kinds, numbers, strict=False) for _ in range(number)]
            rows += [
                {"cell_id": f"{fov}:{i}", "fov_id": fov, "label": 3 * i, "excluded": e, "exclusion_reason": r, "senescent": s}
                for i, (e, r, s) in enumerate(flat, 1)
            ]
        return typed(pd.DataFrame(rows, columns=["cell_id", "fov_id", "label", "excluded", "exclusion_reason", "senescent"]), ASSESSED_CELLS)

    return build
