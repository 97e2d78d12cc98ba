"""Which cultures a result shows first, so that none that matters is out of sight."""

from typing import Final

import pandas as pd

from core.report.words import count

MOST: Final = 8  # more cultures than this are read off the plot and the table


def headline(samples: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """The cultures to show first, and the sentence that says which are not among them.

    Parameters
    ----------
    samples : DataFrame
        ``tables.REPORTED_SAMPLES`` with ``verdict``, in the order of their names.

    Returns
    -------
    DataFrame, str
        All of them and "" up to ``MOST`` cultures; of more, those with the highest reported fraction, the highest first.
    """
    if len(samples) <= MOST:
        return samples, ""
    ordered = samples.sort_values("reported_fraction", ascending=False, na_position="last", kind="stable")
    shown, others = ordered.head(MOST), ordered.iloc[MOST:]
    verdicts = ", ".join(f"{n} {verdict}" for verdict, n in others["verdict"].value_counts().items() if verdict)
    rest = f"{count(len(others), 'more culture')}{f' ({verdicts})' if verdicts else ''}"
    return shown, f"Shown are the {MOST} cultures with the highest senescent fraction of {len(samples)}. For {rest}, see the plot and the tables below."
