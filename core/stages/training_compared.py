"""What differs between runs, in the words of their settings."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from core.report.words import plain
from core.settings import TrainSettings


def differing_settings(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """One mapping a run, label -> value in words, of those settings that are not the same in all ``runs`` (their settings).

    A setting that a run of before did not have yet is empty.
    """
    differ = [one for one in fields(TrainSettings) if len({_words(run.get(one.name)) for run in runs}) > 1]
    return [{one.metadata["label"]: _words(run.get(one.name)) for one in differ} for run in runs]


def _words(value: Any) -> str:
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else plain(value)
