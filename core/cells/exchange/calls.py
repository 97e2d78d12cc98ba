"""Senescent or not, as exchange files say it: a class name and a colour-blind safe colour (Okabe and Ito)."""

from collections.abc import Mapping
from typing import Final

SENESCENT: Final = "senescent"
NOT_SENESCENT: Final = "not senescent"
NOT_SCORED: Final = "not scored"
COLOURS: Final = {SENESCENT: (213, 94, 0), NOT_SENESCENT: (0, 114, 178), NOT_SCORED: (154, 154, 154)}  # red, green, blue


def called(calls: Mapping[int, bool | None], label: int) -> str:
    """The class name of a cell; a cell without a call is not scored."""
    call = calls.get(label)
    return NOT_SCORED if call is None else SENESCENT if call else NOT_SENESCENT
