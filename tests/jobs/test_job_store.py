"""The job table without processes: states, the worker's turn, progress, damaged files."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import InputError
from core.jobs import Job, JobStore, processes, worker
from core.jobs.reporting import Pace, Reporter

REPOSITORY = Path(__file__).resolve().parents[2]


def queued(store: JobStore, stage: str = "steps", created: float | None = None) -> str:
    """A job in the table without a worker process."""
    with store.connection() as table:
        id = f"job{table.execute('select count(*) from job').fetchone()[0]}"
        values = (id, stage, str(store.logs / id), created or time.time())
        table.execute("insert into job(id,stage,params,experiment,heavy,state,log,created) values(?,?,'{}','demo',1,'queued',?,?)", values)
    return id


@pytest.fixture
def table(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs.sqlite")


def test_worker_runs_a_stage_in_this_process(table: JobStore) -> None:
    id = queued(table)

    def stage(params: dict, progress: object) -> str:
        assert table.get(id).state == "running"
        for n in range(1000):
            progress(n + 1, 1000, "x")
        return "here"

    assert worker.run(table, id, {"steps": stage})
    job = table.get(id)
    assert (job.state, job.done, job.total, job.result) == ("done", 1000, 1000, "here")
    assert not worker.run(table, id, {"steps": stage})  # a job runs once


def test_main_takes_the_stages_of_the_app(table: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import core.stages

    monkeypatch.setattr(core.stages, "RUN", {"steps": lambda params, progress: "made"}, raising=False)
    assert worker.main([str(table.db), queued(table)]) == 0
    assert table.recent(1)[0].result == "made"


def test_memory_error_is_told_as_such(table: JobStore) -> None:
    def stage(params: dict, progress: object) -> str:
        raise MemoryError

    id = queued(table)
    worker.run(table, id, {"steps": stage})
    assert "Not enough memory" in table.get(id).error


def test_full_disk_is_told_with_the_file(table: JobStore) -> None:
    def stage(params: dict, progress: object) -> str:
        raise OSError(28, "No space left on device", "labels/å.tif")

    id = queued(table)
    worker.run(table, id, {"steps": stage})
    assert "å.tif: cannot go on: the disk is full" in table.get(id).error


def test_cancel_reaches_the_progress_call(table: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reporter, "INTERVAL_S", 0.02)
    id = queued(table)

    def stage(params: dict, progress: object) -> str:
        table.cancel(id, grace_s=30)
        for n in range(500):
            time.sleep(0.01)
            progress(n, 500, "")
        return "never"

    assert not worker.run(table, id, {"steps": stage})
    assert table.get(id).state == "cancelled"


def test_progress_is_written_at_most_twice_a_second(table: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    report = table.report
    monkeypatch.setattr(table, "report", lambda *values: (written.append(values), report(*values)))

    def stage(params: dict, progress: object) -> str:
        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            progress(1, 9, "often")
        progress(9, 9, "last")
        return ""

    worker.run(table, queued(table), {"steps": stage})
    assert 1 <= len(written) <= 4
    assert written[-1][1:4] == (9, 9, "last")


def test_a_heavy_job_waits_for_earlier_heavy_ones_only(table: JobStore) -> None:
    first, second, third = queued(table), queued(table), queued(table)
    assert [job.id for job in table.ahead(third)] == [first, second]
    assert table.ahead(first) == []
    table.begin(first)
    assert table.ahead(first) == []  # it runs
    table.finish(first, "done")
    assert table.ahead(second) == []
    with table.connection() as rows:
        rows.execute("update job set heavy=0 where id=?", (third,))
    assert table.ahead(third) == []  # a download waits for nobody
    assert table.ahead(table.submit("annotate", {}, "")) == []  # nor do seconds of work, whatever trains for hours
    assert [job.id for job in table.ahead(table.submit("assess", {}, ""))] == [second]


def test_reconcile_marks_only_what_is_gone(table: JobStore) -> None:
    starting, never_came, gone, mine = (queued(table, created=time.time() - age) for age in (1, 1000, 1, 1))
    with table.connection() as rows:
        rows.execute("update job set state='running', pid=?, process='of another boot' where id=?", (os.getpid(), gone))
    table.enter(mine, os.getpid())
    table.begin(mine)
    table.reconcile()
    assert [table.get(id).state for id in (starting, never_came, gone, mine)] == ["queued", "interrupted", "interrupted", "running"]
    assert table.next_heavy() == starting


def test_cancelled_job_whose_process_is_gone_is_cancelled(table: JobStore) -> None:
    id = queued(table)
    with table.connection() as rows:
        rows.execute("update job set state='running', pid=?, process='of another boot' where id=?", (os.getpid(), id))
    table.cancel(id, grace_s=30)
    assert table.get(id).state == "cancelled"


def test_worker_that_cannot_start_is_a_failed_job(tmp_path: Path) -> None:
    store = JobStore(tmp_path / "jobs.sqlite", worker=[str(tmp_path / "no python here")])
    job = store.get(store.submit("steps", {}, "demo"))
    assert job.state == "failed"
    assert "could not be started" in job.error


def test_times_left() -> None:
    job = Job("i", "s", {}, "e", "running", 3, 12, "", 0, 0, None, "", "", Path("log"), rate=0.5, advanced=time.time() - 4)
    assert job.seconds_left == pytest.approx(14, abs=0.5)
    assert replace(job, rate=None).seconds_left is None
    assert replace(job, state="done").seconds_left is None
    assert replace(job, advanced=0).seconds_left == 0


def test_pace_drops_the_start_up_and_smooths() -> None:
    pace = Pace(0.0)
    pace.update(0, 5)
    assert pace.rate(5) is None
    pace.update(1, 30)  # loading the model took most of it
    assert pace.rate(31) is None
    assert pace.rate(34) == pytest.approx(1 / 30)
    pace.update(2, 40)
    assert pace.rate(40) == pytest.approx(1 / 10)
    pace.update(2, 45)  # nothing new
    pace.update(3, 60)
    assert 1 / 20 < pace.rate(60) < 1 / 10
    pace.update(0, 61)  # another phase
    assert pace.rate(99) is None


def test_pace_ignores_what_a_resumed_job_skips() -> None:
    pace = Pace(0.0)
    for done in range(1, 6):
        pace.update(done, 8 + done / 100)
    assert pace.rate(20) == pytest.approx(1 / 8, rel=0.01)
    pace.update(6, 38)
    assert pace.rate(38) == pytest.approx(1 / 30, rel=0.01)


def test_two_stores_may_make_the_table_at_once(tmp_path: Path) -> None:
    failures = []

    def make() -> None:
        try:
            JobStore(tmp_path / "new" / "jobs.sqlite")
        except InputError as error:
            failures.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_foreign_and_newer_tables_are_refused(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").write_bytes(b"this is no database, it is a long text instead" * 40)
    with pytest.raises(InputError, match=r"jobs\.sqlite"):
        JobStore(tmp_path / "jobs.sqlite")
    connection = sqlite3.connect(tmp_path / "newer.sqlite")
    connection.execute("pragma user_version=99")
    connection.close()
    with pytest.raises(InputError, match="newer Senescope"):
        JobStore(tmp_path / "newer.sqlite")


def test_rerun_of_nothing(table: JobStore) -> None:
    assert table.get("none") is None
    with pytest.raises(InputError, match="no job"):
        table.rerun("none")


def test_identity_of_processes() -> None:
    mine = processes.identity(os.getpid())
    assert mine
    assert processes.identity(os.getpid()) == mine
    assert processes.alive(os.getpid(), mine)
    assert not processes.alive(os.getpid(), "another start")
    assert not processes.alive(None, None)
    assert processes.identity(2**22 + 17) is None


@pytest.mark.skipif(os.name == "nt", reason="ps is of POSIX")
def test_identity_by_ps_where_there_is_no_proc() -> None:
    assert processes._of_ps(os.getpid()) == processes._of_ps(os.getpid())
    assert ":" in processes._of_ps(os.getpid())
    assert processes._of_ps(2**22 + 17) is None


def test_last_words() -> None:
    assert "out of memory" in processes.last_words(-9)
    assert "SIGSEGV" in processes.last_words(-11)
    assert processes.last_words(3).endswith("exit code 3")


def test_a_waiting_worker_loads_nothing_heavy() -> None:
    code = "import sys, core.jobs.worker; print([m for m in ('pandas', 'numpy', 'torch', 'cellpose', 'streamlit') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
