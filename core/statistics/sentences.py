"""What an evaluation says, in plain words: what the model is good for and what not."""

from typing import Any, Final

import pandas as pd

from core.statistics.resampling import LEAST_CLUSTERS

FEW_CLUSTERS: Final = 5
RARE: Final = 0.05
_SHIFTED: Final = (
    "A corrected one takes the classifier to err here as in the annotated cultures: where it errs differently in every culture, {} % held the true fraction."
)


def metric(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """One row of ``tables.METRICS``."""
    return dict(table[table["metric"] == name].iloc[0])


def verdict(metrics: pd.DataFrame, baselines: pd.DataFrame, agreement: pd.DataFrame, n_cells: int, clusters: str) -> str:
    """Two to four sentences: how well it ranks, what its calls are worth, what it is good for."""
    auc, within = metric(metrics, "auc"), metric(metrics, "auc_within")
    if pd.isna(auc["value"]):
        return f"All {n_cells} evaluated cells are of one class: nothing can be said of how well the model tells them apart."
    said = [_ranking(auc, n_cells, clusters), _calls(metrics), _use(auc, within, baselines, agreement, clusters, n_cells > auc["n_clusters"])]
    return " ".join(part for part in said if part)


def few_clusters(count: int, clusters: str) -> str:
    """A remark where the intervals rest on few cultures or fields; "" where there are enough."""
    if count >= FEW_CLUSTERS:
        return ""
    if count < 2:
        return f"All evaluated cells are of one {clusters}: no interval can be given."
    if count < LEAST_CLUSTERS:
        return f"The evaluated cells are of {count} {clusters}s only: too few for an interval. More {clusters}s help, more cells do not."
    return f"The intervals rest on {count} {clusters}s only: they are wide, and themselves uncertain. More {clusters}s help, more cells do not."


def interval_sentence(fields: int) -> str:
    """How far the 95 % intervals of a culture's fraction can be trusted with so few fields; from benchmarks/coverage.py --skewed and --shifted."""
    text = "Intervals take into account that cells of one field are alike."
    if fields < 2:
        return f"{text} With one field, how much fields differ is assumed, not seen: more fields are needed."
    if fields < 3:
        return f"{text} With two fields, how much fields differ is mostly assumed: their coverage has not been tested."
    if fields < 6:
        return (
            f"{text} With {fields} fields, how much fields differ is hardly seen: in simulations a 95 % interval of a plain count held the true fraction in "
            "91 to 99 % of cultures where the cells of a field are very alike (correlation 0.1) and in 96 to 100 % where they hardly are (0.02), a corrected "
            f"one in 94 to 100 %, a prediction-powered one in 95 to 100 %. {_SHIFTED.format('86 to 99')}"
        )
    return (
        f"{text} In simulations a 95 % interval of a plain count or a corrected one held the true fraction in 93 to 99 % of cultures, a prediction-powered one "
        f"in 89 % (cells of a field very alike) to 100 % (hardly alike). {_SHIFTED.format('81 to 96')}"
    )


def _ranking(auc: dict[str, Any], n_cells: int, clusters: str) -> str:
    unknown = f"too few {clusters}s for an interval" if auc["n_clusters"] < LEAST_CLUSTERS else "interval unknown"
    between = unknown if pd.isna(auc["ci_low"]) else f"95 % interval {100 * auc['ci_low']:.0f} to {100 * auc['ci_high']:.0f} %"
    return (
        f"On {n_cells} cells of {auc['n_clusters']} {clusters}{'' if auc['n_clusters'] == 1 else 's'} the model gives a senescent cell "
        f"the higher probability than another one in {100 * auc['value']:.0f} % of pairs ({between}; 50 % is chance)."
    )


def _calls(metrics: pd.DataFrame) -> str:
    sensitivity, specificity = metric(metrics, "sensitivity")["value"], metric(metrics, "specificity")["value"]
    text = f"At its threshold it finds {100 * sensitivity:.0f} % of the senescent cells and calls {100 * (1 - specificity):.0f} % of the others senescent."
    called = sensitivity * RARE + (1 - specificity) * (1 - RARE)
    if called <= 0:
        return text
    wrong = (1 - specificity) * (1 - RARE) / called
    return f"{text} In a culture with {100 * RARE:.0f} % senescent cells, {100 * wrong:.0f} % of the cells it calls senescent would not be."


def _use(auc: dict[str, Any], within: dict[str, Any], baselines: pd.DataFrame, agreement: pd.DataFrame, clusters: str, several: bool) -> str:
    """``several``: a cluster holds more than one cell, so that cells within it can be told apart at all."""
    if pd.isna(auc["ci_low"]) or auc["ci_low"] <= 0.5:
        return "It has not been shown to be better than chance on these cells: do not report its numbers."
    if len(baselines) and (baselines["verdict"] != "better").any():
        return "It has not been shown to see more than a simple number does (see the baselines): do not take its calls for senescence."
    if several and (pd.isna(within["value"]) or pd.isna(within["ci_low"]) or within["ci_low"] <= 0.5):
        return f"It tells {clusters}s apart, but has not been shown to tell cells of one {clusters} apart."
    row = agreement.iloc[0]
    if pd.isna(row["limit_low"]):
        return "It tells senescent cells from others; how well the fraction of a culture agrees with the stain needs more stained cultures."
    worst = 100 * max(abs(row["limit_low"]), abs(row["limit_high"]))
    return f"It is good for the fraction of a culture where an error of {worst:.0f} percentage points does no harm; a single cell's call is no diagnosis."
