"""A job as one value, and its table."""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
ACTIVE: Final = ("queued", "running")
UNQUEUED: Final = frozenset({"download", "add", "review", "annotate", "dataset", "import_crops", "report", "export"})
"""Stages of seconds or a few minutes that hold one field or less in memory: they run at once, beside the heavy job."""

VERSION: Final = 1
SCHEMA: Final = """
create table if not exists job(
    seq integer primary key autoincrement, id text not null unique, stage text not null, params text not null,
    experiment text not null, heavy integer not null, state text not null, log text not null,
    done real not null default 0, total real not null default 0, message text not null default '',
    rate real, advanced real, pid integer, process text, cancel integer not null default 0,
    created real not null, started real, finished real, error text not null default '', result text not null default '')
"""


@dataclass(frozen=True)
class Job:
    """One piece of long work. Times are seconds since 1970; ``rate`` is units of progress a second."""

    id: str
    stage: str
    params: Mapping[str, Any]
    experiment: str
    state: State
    done: float
    total: float
    message: str
    created: float
    started: float | None
    finished: float | None
    error: str
    result: str
    log: Path
    rate: float | None = None
    advanced: float | None = None
    heavy: bool = True
    cancelling: bool = False

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def finished_well(self) -> bool:
        return self.state == "done"

    @property
    def seconds_left(self) -> float | None:
        """From the rate so far; None while it is not known."""
        if self.state != "running" or not self.rate or self.advanced is None:
            return None
        return max(0.0, (self.total - self.done) / self.rate - (time.time() - self.advanced))


def job_of(row: sqlite3.Row) -> Job:
    same = ("id", "stage", "experiment", "state", "done", "total", "message", "created", "started", "finished", "error", "result", "rate", "advanced")
    return Job(
        params=json.loads(row["params"]), log=Path(row["log"]), heavy=bool(row["heavy"]), cancelling=bool(row["cancel"]), **{key: row[key] for key in same}
    )
