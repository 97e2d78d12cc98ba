"""Progress of a worker: kept in memory at every call, written to the table twice a second, with the rate."""

import contextlib
import math
import threading
import time
from types import TracebackType

from core.errors import Cancelled, InputError
from core.jobs.store import JobStore


class Pace:
    """Units of progress a second, as a mean over the recent past.

    The start-up does not count: nothing before the first step, nor what follows it within some seconds (a resumed job
    skips quickly over what it finished before). Until a later step comes, the first one stands for the rate.
    """

    HALF_LIFE_S = 60.0
    WARM_UP_S = 3.0

    def __init__(self, now: float) -> None:
        self.advanced = now
        self._done = 0.0
        self._forget()

    def _forget(self) -> None:
        self._warm = math.inf  # time when the warm-up is over
        self._first: float | None = None
        self._gained = self._spent = 0.0

    def update(self, done: float, now: float) -> None:
        """Note that ``done`` units were finished at time ``now`` (seconds)."""
        gained, spent = done - self._done, now - self.advanced
        if gained == 0:
            return
        self._done, self.advanced = done, now
        if gained < 0:  # a new phase counts from its own start
            self._forget()
        elif self._warm == math.inf:
            self._warm = now + self.WARM_UP_S
            self._first = gained / spent if spent >= self.WARM_UP_S else None
        elif now > self._warm:
            keep = 0.5 ** min(1.0, spent / self.HALF_LIFE_S)
            self._gained, self._spent = self._gained * keep + gained, self._spent * keep + spent

    def rate(self, now: float) -> float | None:
        """None while it is not known."""
        if now < self._warm:
            return None
        return self._gained / self._spent if self._spent > 0 else self._first


class Reporter:
    """The progress callback of a worker, and the thread that carries it to the table and looks for Cancel."""

    INTERVAL_S = 0.5

    def __init__(self, store: JobStore, id: str) -> None:
        self._store, self._id = store, id
        self._latest: tuple[float, float, str] | None = None
        self._pace = Pace(time.time())
        self._guard, self._stop, self._cancel = threading.Lock(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name=f"progress-{id}")

    def __call__(self, done: float, total: float, item: str = "") -> None:
        if self._cancel.is_set():
            raise Cancelled
        with self._guard:
            self._latest = (float(done), float(total), item)
            self._pace.update(float(done), time.time())

    def __enter__(self) -> "Reporter":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._write()

    def _beat(self) -> None:
        while not self._stop.wait(self.INTERVAL_S):
            self._write()

    def _write(self) -> None:
        with self._guard:
            latest, self._latest = self._latest, None
            rate, advanced = self._pace.rate(time.time()), self._pace.advanced
        with contextlib.suppress(InputError):  # a busy or full disk must not end the work: the next beat tries again
            if latest:
                self._store.report(self._id, *latest, rate, advanced)
            if self._store.cancel_wanted(self._id):
                self._cancel.set()
