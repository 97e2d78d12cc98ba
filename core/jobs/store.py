"""The job table (SQLite): the one truth that pages, the command line and the workers share."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.jobs import processes
from core.jobs.job import ACTIVE, SCHEMA, UNQUEUED, VERSION, Job, State, job_of
from core.workspace import REPOSITORY, file_errors, plain, workspace_root

WORKER = (sys.executable, "-m", "core.jobs.worker")
_STARTING_S = 120.0  # a worker that has not reported after this long never came up
_INTERRUPTED = "The work was interrupted (the computer or the worker stopped). Run it again: it continues where it stopped."
_CHECK_S = 2.0  # how often readers look whether the workers still live


class JobStore:
    """Jobs of one workspace.

    ``db`` defaults to ``<workspace>/jobs.sqlite``; logs lie beside it. ``worker`` is the command that runs a job;
    the table file and the job id are appended.
    """

    def __init__(self, db: Path | None = None, worker: Sequence[str] = WORKER) -> None:
        self.db = (db or workspace_root() / "jobs.sqlite").absolute()
        self.worker = tuple(worker)
        self._checked = 0.0
        with file_errors(self.db, "make the job table"):
            self.logs.mkdir(parents=True, exist_ok=True)
        with self.connection() as table:
            _prepare(table, self.db)

    @property
    def logs(self) -> Path:
        return self.db.parent / "logs"

    @property
    def queue_lock(self) -> Path:
        return self.db.with_suffix(".lock")

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection in autocommit mode for one short statement or two."""
        try:
            with contextlib.closing(sqlite3.connect(self.db, timeout=15, isolation_level=None)) as table:
                table.row_factory = sqlite3.Row
                table.execute("pragma synchronous=normal")
                yield table
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{self.db}: cannot use the job table ({error}). Is the disk full, or the file damaged? Jobs can be moved away: no results are in it."
            ) from error

    # ---- what pages and the command line do

    def submit(self, stage: str, params: Mapping[str, Any], experiment: str) -> str:
        """Queue a job and start its worker process, which outlives this one. Returns the job's id."""
        id = uuid.uuid4().hex[:12]
        log = self.logs / f"{id}.log"
        whole = {key: value.absolute() if isinstance(value, Path) else value for key, value in params.items()}  # the worker runs elsewhere
        words = json.dumps(plain(whole), ensure_ascii=False, allow_nan=False)
        values = (id, stage, words, str(experiment), stage not in UNQUEUED, str(log), time.time())
        with self.connection() as table:
            table.execute("insert into job(id,stage,params,experiment,heavy,state,log,created) values(?,?,?,?,?,'queued',?,?)", values)
        try:
            worker = processes.launch([*self.worker, str(self.db), id], REPOSITORY, log, _environment())
        except OSError as error:
            self.finish(id, "failed", error=f"The worker process could not be started: {error}.")
            return id
        threading.Thread(target=self._reap, args=(worker, id), daemon=True, name=f"reap-{id}").start()
        return id

    def rerun(self, id: str) -> str:
        """Submit the same work again: it continues where the product's partial folder stands."""
        job = self.get(id)
        if job is None:
            raise InputError(f"no job {id!r} in {self.db}.")
        return self.submit(job.stage, job.params, job.experiment)

    def get(self, id: str) -> Job | None:
        self._check()
        return next(iter(self._jobs("where id=?", (id,))), None)

    def recent(self, n: int, experiment: str | None = None) -> list[Job]:
        """The last ``n`` jobs, newest first."""
        self._check()
        return self._jobs("where coalesce(?, experiment)=experiment order by seq desc limit ?", (experiment, n))

    def active(self, experiment: str | None = None) -> list[Job]:
        """Queued and running jobs in the order of their creation."""
        self._check()
        return self._jobs("where state in ('queued','running') and coalesce(?, experiment)=experiment order by seq", (experiment,))

    def ahead(self, id: str) -> list[Job]:
        """The heavy jobs that a queued heavy one waits for, the running one first; none for any other job."""
        self._check()
        waiting = "select seq from job where id=? and state='queued' and heavy=1"
        return self._jobs(f"where state in ('queued','running') and heavy=1 and seq < ({waiting}) order by seq", (id,))

    def cancel(self, id: str, grace_s: float = 5.0) -> None:
        """A queued job is cancelled at once; a running one at its next progress call, or killed after ``grace_s`` seconds."""
        if self._update("state='cancelled', cancel=1, finished=?", "id=? and state='queued'", (time.time(), id)):
            return
        self._update("cancel=1", "id=? and state='running'", (id,))
        self.reconcile()
        threading.Thread(target=self._kill, args=(id, grace_s), daemon=True, name=f"cancel-{id}").start()

    def reconcile(self) -> None:
        """Mark jobs whose process is gone. Call it when the app starts; readers also do so now and then."""
        with self.connection() as table:
            rows = table.execute("select id,pid,process,created from job where state in ('queued','running')").fetchall()
        for row in rows:
            starting = row["pid"] is None and time.time() - row["created"] < _STARTING_S
            if not starting and not processes.alive(row["pid"], row["process"]):
                self.finish(row["id"], "interrupted", error=_INTERRUPTED)

    # ---- what a worker does

    def enter(self, id: str, pid: int) -> None:
        """The worker names itself."""
        self._update("pid=?, process=?", "id=? and state='queued'", (pid, processes.identity(pid), id))

    def next_heavy(self) -> str | None:
        """The heavy job that is longest in the queue and whose worker lives."""
        self.reconcile()
        return next((job.id for job in self._jobs("where state='queued' and heavy=1 order by seq limit 1", ())), None)

    def begin(self, id: str) -> bool:
        """Queued becomes running; False where it was cancelled meanwhile."""
        return self._update("state='running', started=?", "id=? and state='queued'", (time.time(), id))

    def report(self, id: str, done: float, total: float, message: str, rate: float | None, advanced: float | None) -> None:
        self._update("done=?, total=?, message=?, rate=?, advanced=?", "id=? and state='running'", (done, total, message, rate, advanced, id))

    def cancel_wanted(self, id: str) -> bool:
        """True where the user pressed Cancel, or the job is no longer ours."""
        with self.connection() as table:
            row = table.execute("select cancel, state from job where id=?", (id,)).fetchone()
        return row is None or bool(row["cancel"]) or row["state"] not in ACTIVE

    def finish(self, id: str, state: State, *, error: str = "", result: str = "", overruling: Sequence[State] = ()) -> bool:
        """End an active job (or one in a state of ``overruling``); one that did not end by itself after Cancel is cancelled."""
        states = (*ACTIVE, *overruling)
        which, now = f"id=? and state in ({','.join('?' * len(states))})", time.time()
        unasked = state in ("failed", "interrupted")
        if unasked and self._update("state='cancelled', finished=?", f"cancel=1 and {which}", (now, id, *states)):
            return True
        return self._update("state=?, error=?, result=?, finished=?", which, (state, error, result, now, id, *states))

    # ---- threads and tables

    def _reap(self, worker: "subprocess.Popen[bytes]", id: str) -> None:
        """Wait for the worker: leaves no zombie, and says why one ended without a word."""
        code = worker.wait()
        if code and os.name != "nt":
            processes.kill_tree(worker.pid)  # children that a killed worker left behind
        error = f"{processes.last_words(code)}. Log: {self.logs / f'{id}.log'}"
        with contextlib.suppress(InputError):  # the table is gone or busy: reconcile comes later
            self.finish(id, "failed", error=error, overruling=("interrupted",))

    def _kill(self, id: str, grace_s: float) -> None:
        deadline = time.monotonic() + grace_s
        with contextlib.suppress(InputError):
            while self._running(id):
                if time.monotonic() > deadline:
                    self._kill_now(id)
                    return
                time.sleep(min(0.1, grace_s or 0.1))

    def _running(self, id: str) -> bool:
        return bool(self._jobs("where id=? and state='running'", (id,)))

    def _kill_now(self, id: str) -> None:
        with self.connection() as table:
            row = table.execute("select pid,process from job where id=? and state='running'", (id,)).fetchone()
        if row and processes.alive(row["pid"], row["process"]):
            processes.kill_tree(row["pid"])
        self.finish(id, "cancelled")

    def _check(self) -> None:
        if time.monotonic() - self._checked > _CHECK_S:
            self._checked = time.monotonic()
            self.reconcile()

    def _jobs(self, condition: str, values: Sequence[Any]) -> list[Job]:
        with self.connection() as table:
            return [job_of(row) for row in table.execute(f"select * from job {condition}", values)]

    def _update(self, changes: str, condition: str, values: Sequence[Any]) -> bool:
        with self.connection() as table:
            return table.execute(f"update job set {changes} where {condition}", values).rowcount > 0


def _prepare(table: sqlite3.Connection, db: Path) -> None:
    version = table.execute("pragma user_version").fetchone()[0]
    if version > VERSION:
        raise InputError(f"{db}: a newer Senescope wrote it (job table {version}, this one knows {VERSION}). Update the app or use another workspace.")
    if version == VERSION:
        return
    table.execute("pragma journal_mode=wal")
    table.execute("begin immediate")
    table.execute(SCHEMA)
    table.execute(f"pragma user_version={VERSION}")
    table.execute("commit")


def _environment() -> dict[str, str]:
    """The worker runs in another folder and writes its log in UTF-8."""
    found = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
    if found.get("SENESCOPE_WORKSPACE", "").strip():
        found["SENESCOPE_WORKSPACE"] = str(workspace_root())
    return found
