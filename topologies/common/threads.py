"""Daemon threads with a result: the interpreter can exit while one of them still waits for a vantage.

`concurrent.futures.ThreadPoolExecutor` joins its threads on leaving its block and again when the interpreter exits, so
that Ctrl-C would wait for every command that is still running at a vantage.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Item = TypeVar("Item")
Params = ParamSpec("Params")


def start(work: Callable[Params, None], *args: Params.args, **kwargs: Params.kwargs) -> Future[None]:
    """Run `work` in a thread of its own; the future gets its exception."""
    future: Future[None] = Future()
    Thread(target=_run, args=(lambda: work(*args, **kwargs), future), daemon=True).start()
    return future


def join(futures: Iterable[Future[None]]) -> None:
    """Wait for all of them; raises the first exception."""
    for future in futures:
        future.result()


def run_all(work: Callable[[Item], None], items: Iterable[Item], at_once: int, timeout_s: float | None = None) -> None:
    """Call `work` for every item, `at_once` at a time, and wait for all; raises the first exception.

    After `timeout_s` it returns; threads that still work are left alone.
    """
    queue: SimpleQueue[Item] = SimpleQueue()
    for item in items:
        queue.put(item)
    futures = [start(_drain, work, queue) for _ in range(min(at_once, queue.qsize()))]
    if timeout_s is not None:
        wait(futures, timeout_s)
        futures = [future for future in futures if future.done()]
    join(futures)


def _run(work: Callable[[], None], future: Future[None]) -> None:
    try:
        work()
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
    else:
        future.set_result(None)


def _drain(work: Callable[[Item], None], queue: SimpleQueue[Item]) -> None:
    while True:
        try:
            item = queue.get_nowait()
        except Empty:
            return
        work(item)
