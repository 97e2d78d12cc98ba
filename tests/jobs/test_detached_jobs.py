"""Real worker processes, end to end: they run, queue, crash, are cancelled, and outlive their server."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.jobs import Job, JobStore, processes

REPOSITORY = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def pid_of(store: JobStore, id: str) -> int:
    with store.connection() as table:
        return int(table.execute("select pid from job where id=?", (id,)).fetchone()[0])


def test_job_runs_to_its_end_and_keeps_the_last_progress(store: JobStore, wait: Callable[..., Job], tmp_path: Path) -> None:
    id = store.submit("steps", {"folder": tmp_path / "out", "steps": 3}, "demo")
    assert store.active("demo")[0].id == id
    assert store.active("another") == []
    job = wait(id)
    assert job.finished_well
    assert (job.done, job.total, job.message) == (3, 3, "felt 3 æøå")
    assert job.result == str(tmp_path / "out")
    assert job.created <= job.started <= job.finished
    assert job.seconds_left is None
    assert "worker" in job.log.read_text(encoding="utf-8")
    assert [j.id for j in store.recent(5)] == [j.id for j in store.recent(5, "demo")] == [id]


def test_failures_say_what_the_user_can_read(store: JobStore, wait: Callable[..., Job]) -> None:
    refused, broken, unknown = (store.submit(stage, {}, "demo") for stage in ("refuse", "defect", "no such stage"))
    assert wait(refused).error == "billede.tif: wanted an image, found text."
    job = wait(broken)
    assert job.state == "failed"
    assert "\n" not in job.error
    assert "KeyError: 'a column'" in job.error
    assert str(job.log) in job.error
    assert "Traceback" in job.log.read_text(encoding="utf-8")
    assert "no such stage" in wait(unknown).error


def test_workers_of_the_app_know_its_stages(store: JobStore, wait: Callable[..., Job]) -> None:
    id = JobStore(store.db).submit("no such stage", {}, "demo")
    assert {"segment", "assess"} <= set(re.findall(r"\w+", wait(id).error))


def test_crash_without_a_word_is_failed_with_its_exit_code(store: JobStore, wait: Callable[..., Job]) -> None:
    job = wait(store.submit("vanish", {"code": 3}, "demo"))
    assert job.state in ("failed", "interrupted")
    job = wait(job.id, lambda job: job.state == "failed")  # the reaper knows more than a reader that came first
    assert "exit code 3" in job.error


@posix
def test_killed_worker_is_failed_and_a_rerun_continues(store: JobStore, wait: Callable[..., Job], tmp_path: Path) -> None:
    id = store.submit("steps", {"folder": tmp_path / "out", "steps": 40, "each": 0.1}, "demo")
    wait(id, lambda job: job.done >= 2)
    os.kill(pid_of(store, id), signal.SIGKILL)
    job = wait(id, lambda job: job.state == "failed")
    assert "probably out of memory" in job.error
    assert str(job.log) in job.error
    for step in range(5, 40):
        (tmp_path / "out" / f"step{step}").touch()
    again = wait(store.rerun(id))
    assert again.finished_well
    done = (tmp_path / "out" / "order.txt").read_text(encoding="utf-8").split()
    assert sorted(set(done)) == sorted(done)  # no step was done twice


def test_cancel_ends_at_the_next_progress_call(store: JobStore, wait: Callable[..., Job], tmp_path: Path) -> None:
    id = store.submit("steps", {"folder": tmp_path / "out", "steps": 1000, "each": 0.05}, "demo")
    wait(id, lambda job: job.done >= 1)
    pid = pid_of(store, id)
    store.cancel(id, grace_s=60)
    job = wait(id)  # before the grace is over: by itself
    assert job.cancelling
    assert job.state == "cancelled"
    assert 1 <= job.done < 1000
    assert "worker" in job.log.read_text(encoding="utf-8")
    deadline = time.monotonic() + 5
    while processes.identity(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes.identity(pid) is None


def test_deaf_job_is_killed_with_its_children(store: JobStore, wait: Callable[..., Job], tmp_path: Path) -> None:
    pid_file = tmp_path / "child"
    id = store.submit("deaf", {"pid_file": pid_file}, "demo")
    wait(id, lambda job: job.message == "child started")
    pid, child = pid_of(store, id), int(pid_file.read_text(encoding="ascii"))
    assert processes.identity(child)
    store.cancel(id, grace_s=0.2)
    assert wait(id).state == "cancelled"
    deadline = time.monotonic() + 5
    while (processes.identity(pid) or processes.identity(child)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes.identity(pid) is processes.identity(child) is None


def test_jobs_queue_in_order_and_a_queued_one_is_cancelled_at_once(store: JobStore, wait: Callable[..., Job], tmp_path: Path) -> None:
    params = {"folder": tmp_path, "steps": 1, "each": 1.0}
    first, second, third = (store.submit("steps", {**params, "folder": tmp_path / name, "name": name}, "demo") for name in "abc")
    light = store.submit("download", {}, "")
    assert [job.id for job in store.active()] == [first, second, third, light]
    wait(first, lambda job: job.state == "running")
    assert store.get(second).state == store.get(third).state == "queued"
    store.cancel(third)
    assert store.get(third).state == "cancelled"
    assert "no such" not in wait(light).error  # "download" is not a stage of these tests: it ran, beside the queue
    one, two = wait(first), wait(second)
    assert one.finished_well
    assert two.finished_well
    assert two.started >= one.finished - 0.01
    assert not (tmp_path / "c").exists()
    assert not store.queue_lock.exists()


@posix
def test_job_outlives_a_killed_server(store: JobStore, wait: Callable[..., Job], tmp_path: Path) -> None:
    server = f"""
import time
from pathlib import Path
from core.jobs import JobStore
store = JobStore(Path({str(store.db)!r}), worker={store.worker!r})
print(store.submit("steps", {{"folder": {str(tmp_path / "out")!r}, "steps": 12, "each": 0.1}}, "demo"), flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", server], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        id = process.stdout.readline().strip()
        wait(id, lambda job: job.state == "running")
        process.kill()
    JobStore(store.db).reconcile()  # the next server starts: the job lives on
    assert store.get(id).state == "running"
    assert wait(id).finished_well


@posix
def test_worker_killed_while_no_server_watches_is_interrupted(store: JobStore, wait: Callable[..., Job], tmp_path: Path) -> None:
    server = f"""
from pathlib import Path
from core.jobs import JobStore
print(JobStore(Path({str(store.db)!r}), worker={store.worker!r}).submit("steps", {{"folder": {str(tmp_path / "out")!r}, "steps": 900, "each": 0.1}}, "demo"))
"""
    id = subprocess.run([sys.executable, "-c", server], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()
    wait(id, lambda job: job.state == "running")
    os.kill(pid_of(store, id), signal.SIGKILL)
    job = wait(id)
    assert job.state == "interrupted"
    assert "Run it again" in job.error
