"""The demo experiment: three simulated cultures of one field each, made if needed, then assessed."""

from pathlib import Path
from typing import Any

from core.progress import Progress
from core.settings import AssessSettings, SegmentSettings, SimulateSettings
from core.stages.assessing import assess
from core.stages.simulating import simulate

DEMO = SimulateSettings(samples=3, fields=1, size=1024, seed=10)  # a young culture, an old one, a negative control


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``experiment``. Returns the path of the assessment."""
    experiment = Path(params["experiment"])
    share = 0.1
    if not (experiment / "fields.csv").is_file():
        simulate(experiment, DEMO, lambda done, total, item: progress(share * done / max(total, 1), 1.0, item))
    return assess(
        experiment,
        AssessSettings(),
        SegmentSettings(),
        progress=lambda done, total, item: progress(share + (1 - share) * done / max(total, 1), 1.0, item),
    )
