"""Progress is passed in: long work calls ``progress(done, total, item)`` and knows nothing of who listens."""

from collections.abc import Callable

Progress = Callable[[float, float, str], None]
"""``(done, total, item)``: units finished (may be fractional), units in all, what is being worked on. May raise Cancelled."""


def silent(done: float, total: float, item: str = "") -> None:
    """The default listener: nobody."""
