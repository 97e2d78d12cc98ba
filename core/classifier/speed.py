"""Exact or fast: bfloat16 where the processor multiplies it in hardware, and only after it has been compared with fp32."""

from typing import Final, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from core.classifier.checkpoint import Checkpoint
from core.classifier.prediction import Classifier
from core.errors import InputError
from core.inference import NO_BF16, ONLY_PROCESSORS, has_bf16

Precision = Literal["exact", "fast"]
ENOUGH: Final = 24  # cells that are scored both ways before fast is trusted
ALLOWED: Final = 0.05  # largest difference of a probability


def checked_precision(name: str) -> Precision:
    """The same word; InputError for any but those of `Precision`."""
    if name not in get_args(Precision):
        raise InputError(f"Scoring precision: wanted {' or '.join(get_args(Precision))}, found {name!r}.")
    return cast(Precision, name)


class PacedClassifier:
    """A classifier at the precision that is wanted, as far as this machine has it.

    With "fast" the first ``ENOUGH`` cells are scored both ways, and their exact probabilities count. From then on bfloat16
    does the work, unless a probability differed by more than ``ALLOWED``.

    Attributes
    ----------
    about : str
        For people: the engine, how well fast agreed with exact, or why fast was not used.
    """

    def __init__(self, checkpoint: Checkpoint, precision: Precision = "exact", device: str | None = None) -> None:
        wanted = checked_precision(precision)
        self._now, self._fast = Classifier(checkpoint, device), None
        self._compared, self._difference = 0, 0.0
        self.about = self._now.about
        if wanted == "fast" and self._now.device.type != "cpu":
            self.about += f" ({ONLY_PROCESSORS} {self._now.device.type})"
        elif wanted == "fast" and not has_bf16():
            self.about += f" ({NO_BF16})"
        elif wanted == "fast":
            self._fast = Classifier(checkpoint, device, precision="bf16")

    def predict_with_features(self, crops: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As ``Classifier.predict_with_features``."""
        found = self._now.predict_with_features(crops)
        if self._fast is not None and len(crops):
            self._compare(found[0], self._fast.predict(crops))
        return found

    def _compare(self, exact: NDArray[np.float32], fast: NDArray[np.float32]) -> None:
        assert self._fast is not None
        self._compared += len(exact)
        self._difference = max(self._difference, float(np.abs(exact - fast).max()))
        if self._difference > ALLOWED:
            self.about += f" (fast was not used: on this machine a probability differed by {self._difference:.2g} from the exact one)"
            self._fast = None
        elif self._compared >= ENOUGH:
            self._now, self._fast = self._fast, None
            self.about = f"{self._now.about} (on this machine {self._compared} cells within {self._difference:.1g} of the exact probability)"
