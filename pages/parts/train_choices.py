"""What the form of a new training begins with: nobody should have to choose everything again after a Cancel or a failure."""

from dataclasses import asdict
from typing import Any

from core.errors import InputError
from core.jobs import Job
from core.stages.training import begun, unfinished
from core.workspace import Experiment
from pages.parts import job_panel
from pages.parts.choose import settings_like

ENDED_EARLY = ("cancelled", "failed", "interrupted")
LOOKED_AT = 50  # jobs of the experiment, whatever they are


def first_choices(experiment: Experiment) -> tuple[dict[str, Any], str]:
    """Settings and dataset ("" where the newest will do) to begin with.

    Those of the run that the address names as a model, else of the last training if it ended early, else of an unfinished run.
    """
    if like := settings_like(experiment, "runs"):
        return like, ""
    jobs = (job for job in job_panel.job_store().recent(LOOKED_AT, str(experiment.path)) if job.stage == "train")
    last = next(jobs, None)
    if last and last.state in ENDED_EARLY and (found := _of_job(experiment, last)):
        return found
    return next((found for name in unfinished(experiment) if (found := _of_unfinished(experiment, name))), ({}, ""))


def _of_job(experiment: Experiment, job: Job) -> tuple[dict[str, Any], str] | None:
    if job.params.get("resume"):
        return _of_unfinished(experiment, job.params["resume"])
    return dict(job.params.get("settings") or {}), str(job.params.get("dataset") or "")


def _of_unfinished(experiment: Experiment, run_id: str) -> tuple[dict[str, Any], str] | None:
    try:
        settings, dataset = begun(experiment, run_id)
    except InputError:  # finished or discarded since, or damaged, which its own box says
        return None
    return asdict(settings), dataset
