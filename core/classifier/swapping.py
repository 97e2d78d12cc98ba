"""Another way through some parts of a network, for a while."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn


@contextmanager
def other_forward(modules: Iterable[nn.Module], forward: Callable[..., Any]) -> Iterator[None]:
    """Within this context ``forward(module, x, ...)`` is what each of the modules computes."""
    swapped: list[Any] = list(modules)
    for module in swapped:
        module.forward = partial(forward, module)
    try:
        yield
    finally:
        for module in swapped:
            del module.forward
