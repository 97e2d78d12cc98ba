"""The worker process of one job: ``python -m core.jobs.worker JOBS.SQLITE ID``. It waits for its turn, works, reports."""

import faulthandler
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.errors import Cancelled, InputError
from core.jobs.job import Job
from core.jobs.reporting import Reporter
from core.jobs.store import JobStore
from core.memory import keep_freed_memory
from core.progress import Progress
from core.threads import wait_without_a_core
from core.workspace import FileLock
from core.workspace.files import environment_error, explain

Stage = Callable[[dict[str, Any], Progress], str]
Stages = Mapping[str, Stage]
POLL_S = 0.3


def run(store: JobStore, id: str, stages: Stages | Callable[[], Stages]) -> bool:
    """Run one job to its end, whatever that is, and record it. True where it finished well.

    ``stages`` may be a function that returns them: it is called when the job's turn has come, so that a waiting
    worker holds no memory.
    """
    store.enter(id, os.getpid())
    lock = FileLock(store.queue_lock)
    try:
        if not _turn(store, id, lock):
            return False
        return _work(store, id, stages)
    finally:
        lock.release()


def _turn(store: JobStore, id: str, lock: FileLock) -> bool:
    """Wait until this job may run: first in the queue and no other heavy job at work. False where it was cancelled."""
    job = store.get(id)
    if job is not None and not job.heavy:
        return store.begin(id)
    while not store.cancel_wanted(id):
        if store.next_heavy() == id and lock.acquire():
            return store.begin(id)
        time.sleep(POLL_S)
    return False


def _work(store: JobStore, id: str, stages: Stages | Callable[[], Stages]) -> bool:
    job = store.get(id)
    assert job is not None
    try:
        with Reporter(store, id) as progress:
            known = stages if isinstance(stages, Mapping) else stages()
            if job.stage not in known:
                raise InputError(f"wanted one of the stages {', '.join(known)}, found {job.stage!r}. Was the job made by another version?")
            result = known[job.stage](dict(job.params), progress)
    except Cancelled:
        store.finish(id, "cancelled")
        return False
    except InputError as error:
        print(error, file=sys.stderr)
        store.finish(id, "failed", error=str(error))
        return False
    except BaseException as error:
        traceback.print_exc()
        store.finish(id, "failed", error=_summary(error, job))
        return False
    return store.finish(id, "done", result=str(result))


def _summary(error: BaseException, job: Job) -> str:
    if isinstance(error, MemoryError):
        return f"Not enough memory for this job. Close other programs or use smaller images. Log: {job.log}"
    if isinstance(error, OSError) and environment_error(error):
        return f"{explain(error, job.log.parent.parent, 'go on')} Log: {job.log}"
    first = str(error).strip().splitlines()[:1]
    return f"A defect in Senescope stopped the job: {': '.join([type(error).__name__, *first])[:300]}. Log: {job.log}"


def main(arguments: list[str], stages: Stages | None = None) -> int:
    """0 where the job finished well. ``stages`` defaults to those of the app."""
    faulthandler.enable()
    wait_without_a_core()
    keep_freed_memory()
    db, id = arguments
    store = JobStore(Path(db))
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} worker {os.getpid()} for job {id}: {store.get(id)}", flush=True)
    return 0 if run(store, id, stages or _app_stages) else 1


def _app_stages() -> Stages:
    from core.stages import RUN  # torch and its friends are loaded when the turn has come

    return RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
