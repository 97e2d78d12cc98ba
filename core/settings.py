"""Settings of every stage: frozen dataclasses. Pages build their forms and the command line its options from them,
so that a default, its bounds and its words are written once."""

from dataclasses import dataclass, field
from typing import Any

EMBEDDED_SEGMENTER = "senescope-phase"
EMBEDDED_CLASSIFIER = "demo-simulated"


def setting(default: Any, label: str, help: str = "", *, low: float | None = None, high: float | None = None, **more: Any) -> Any:
    """One setting: default, words for the form, bounds. ``choices`` in ``more`` makes it a selection."""
    return field(default=default, metadata={"label": label, "help": help, "low": low, "high": high, **more})


@dataclass(frozen=True)
class SegmentSettings:
    """How cells are outlined (Cellpose 3; Stringer et al. 2021, doi 10.1038/s41592-020-01018-x)."""

    model: str = setting(EMBEDDED_SEGMENTER, "Segmentation model", "A name from the model library or a Cellpose 3 model file.", kind="segmenter")
    diameter_px: float = setting(0.0, "Cell diameter (px)", "0: estimated from the images.", low=0, high=2000, option="diameter")
    diameter_um: float = setting(0.0, "Cell diameter (µm)", "Used where the pixel size is known; 0: use the value in pixels.", low=0, high=2000)
    flow_threshold: float = setting(0.4, "Flow error allowed", "Larger keeps more, less regular cells; 0 keeps all.", low=0, high=3)
    cell_probability: float = setting(0.0, "Cell probability threshold", "Lower makes cells larger and finds fainter ones.", low=-6, high=6)
    min_area_px: int = setting(15, "Smallest cell (px²)", "Smaller objects are dropped.", low=0, high=100_000)


@dataclass(frozen=True)
class AssessSettings:
    """How segmented cells are scored and counted."""

    classifier: str = setting(EMBEDDED_CLASSIFIER, "Classifier", "A name from the model library or a checkpoint file.", kind="classifier")
    threshold: float = setting(-1.0, "Decision threshold", "Senescent at or above this probability; -1: the one stored with the model.", low=-1, high=1)
    min_area_um2: float = setting(0.0, "Smallest scored cell (µm²)", "Smaller cells are excluded as 'too small'; 0: none.", low=0, high=100_000)
    bootstrap: int = setting(2000, "Bootstrap samples", "Resamplings of fields for the interval of a culture.", low=100, high=100_000)
    seed: int = setting(0, "Seed", "Makes the bootstrap repeatable.", low=0, high=2**31 - 1)
    decimal_comma: bool = setting(False, "CSV with decimal comma", "Semicolons between columns and a comma in numbers, for Excel in many European languages.")


@dataclass(frozen=True)
class SimulateSettings:
    """A simulated experiment with known truth."""

    samples: int = setting(4, "Cultures", "The last one is an unstained negative control where there are more than two.", low=1, high=96)
    fields: int = setting(3, "Fields a culture", low=1, high=96)
    size: int = setting(1024, "Field size (px)", "Width and height.", low=128, high=8192)
    seed: int = setting(0, "Seed", "The same seed gives the same experiment.", low=0, high=2**31 - 1)
