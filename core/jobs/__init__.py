"""Long work in detached worker processes, recorded in a small database, one heavy job at a time."""

from core.jobs.job import Job
from core.jobs.store import JobStore

__all__ = ["Job", "JobStore"]
