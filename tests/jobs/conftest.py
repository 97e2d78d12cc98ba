"""Real detached workers with stages of their own, and a way to wait for what they do."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs import Job, JobStore, processes

WORKER = (sys.executable, str(Path(__file__).with_name("worker_with_test_stages.py")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    """A job table whose workers know the stages of the tests; nothing stays behind."""
    store = JobStore(tmp_path / "æøå" / "jobs.sqlite", worker=WORKER)
    yield store
    for job in store.active():
        store.cancel(job.id, grace_s=0)
    with store.connection() as table:
        pids = [row["pid"] for row in table.execute("select pid, process from job") if processes.alive(*row)]
    for pid in pids:
        processes.kill_tree(pid)


@pytest.fixture
def wait(store: JobStore) -> Callable[..., Job]:
    """wait(id, condition): the job as soon as the condition holds for it."""

    def wait(id: str, condition: Callable[[Job], bool] = lambda job: not job.active, seconds: float = 30.0) -> Job:
        deadline = time.monotonic() + seconds
        while not condition(job := store.get(id)):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain: {job}\n{job.log.read_text(encoding='utf-8')}")
            time.sleep(0.02)
        return job

    return wait
