"""Which cultures a classifier learned from, and whether it is judged on the same ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

CARD_KEY: Final = "learned_from"  # in the card of a classifier file
USES: Final = ("train", "validation")  # the validation cells chose the epoch, the temperature and the threshold
_NAMED: Final = 5  # cultures in a sentence; more are counted

Record = dict[str, list[dict[str, str]]]


def learned_from(manifest: pd.DataFrame, *before: Mapping[str, Any] | None) -> Record:
    """For each of ``USES`` the cultures, as ``{"experiment": ..., "sample": ...}``, of a dataset's cells and of the records ``before``.

    Cells whose culture has no name are not among them: nothing would show that another one is the same.
    """
    out: Record = {}
    for use in USES:
        named = manifest[(manifest["split"] == use) & (manifest["sample"] != "")]
        rows = set(zip(named["experiment"].astype(str), named["sample"].astype(str), strict=True))
        rows |= {one for record in before for one in _cultures(record, use)}
        out[use] = [{"experiment": experiment, "sample": sample} for experiment, sample in sorted(rows)]
    return out


@dataclass(frozen=True)
class Seen:
    """Judged cells of cultures that the classifier knows from one of ``USES``."""

    cultures: tuple[str, ...]
    elsewhere: tuple[str, ...]  # those of them that only bear the name of a culture of another experiment
    n_cells: int
    n_judged: int

    def record(self) -> dict[str, Any]:
        """What metrics.json keeps."""
        return {"cultures": list(self.cultures), "n_cells": self.n_cells}


def seen(judged: pd.DataFrame, card: Mapping[str, Any], nameless: str) -> dict[str, Seen]:
    """Of each of ``USES`` what of the judged cells (``tables.MANIFEST``) it holds; a culture that was trained on counts as that only.

    A culture is the same where its name is, as in the split of a dataset; ``nameless``, the name that is given to files
    without one, means the same culture within one experiment only. Without a record in the card nothing is seen.
    """
    record, out = card.get(CARD_KEY), {}
    left = judged[judged["sample"] != ""]
    for use in USES:
        known = set(_cultures(record, use))
        names = {sample for _, sample in known} - {nameless}
        here = np.array([pair in known for pair in zip(left["experiment"], left["sample"], strict=True)], dtype=bool)
        found = left[left["sample"].isin(names) | here]
        same = set(left.loc[here, "sample"])
        cultures = tuple(sorted(set(found["sample"])))
        out[use] = Seen(cultures, tuple(name for name in cultures if name not in same), len(found), len(judged))
        left = left.drop(index=found.index)
    return out


def trained_on(found: Seen) -> str:
    """The warning; "" where the judged cells are of cultures that it did not learn from."""
    return _if_any(
        found,
        f"This model learned from {_names(found.cultures)} ({_share(found)} of cultures that it was trained on): "
        f"the numbers here are too good. Judge it on cultures it never saw.{_elsewhere(found)}",
    )


def chosen_by(found: Seen) -> str:
    """The milder note on cultures that only chose the model's epoch and threshold; "" where there are none."""
    return _if_any(
        found,
        f"The best epoch and the threshold of this model were chosen on {_names(found.cultures)} ({_share(found)} of these cultures): "
        f"the numbers here may be a little too good.{_elsewhere(found)}",
    )


def threshold_on_known(found: Seen) -> str:
    """A note where the cells that the threshold is chosen on are of cultures that the model was trained on; "" where they are not."""
    return _if_any(
        found,
        f"The threshold was chosen on {_names(found.cultures)}, which the model learned from ({found.n_cells} of the {found.n_judged} validation cells): "
        "there it is surer than on new cultures, and the threshold may not suit these.",
    )


def in_words(record: Mapping[str, Any]) -> str:
    """Every culture of the record, for a model's card."""
    said = [", ".join(sorted({sample for _, sample in _cultures(record, use)})) or "no named culture" for use in USES]
    return f"cells of {said[0]}; best epoch and threshold chosen on {said[1]}"


def _cultures(record: Mapping[str, Any] | None, use: str) -> Iterable[tuple[str, str]]:
    return ((one["experiment"], one["sample"]) for one in (record or {}).get(use, ()))


def _if_any(found: Seen, text: str) -> str:
    return text if found.n_cells else ""


def _names(cultures: tuple[str, ...]) -> str:
    more = len(cultures) - _NAMED
    return ", ".join(cultures[:_NAMED]) + (f" and {more} more culture{'' if more == 1 else 's'}" if more > 0 else "")


def _share(found: Seen) -> str:
    return f"{found.n_cells} of the {found.n_judged} judged cells are"


def _elsewhere(found: Seen) -> str:
    if not found.elsewhere:
        return ""
    return f" It saw {_names(found.elsewhere)} in another experiment: if that was another culture of the same name, give one of them another name."
