"""Calls in daemon threads, with results: the interpreter can exit while one of them still waits for a vantage.

`concurrent.futures.ThreadPoolExecutor` joins its threads on leaving its block and again when the interpreter exits, so
that Ctrl-C would wait for every command that is still running at a vantage.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Item = TypeVar("Item")
Result = TypeVar("Result")
Params = ParamSpec("Params")


def start(work: Callable[Params, Result], *args: Params.args, **kwargs: Params.kwargs) -> Future[Result]:
    """Call `work` in a thread of its own; the future gets its result or its exception."""
    future: Future[Result] = Future()
    Thread(target=_call, args=(lambda: work(*args, **kwargs), future), daemon=True).start()
    return future


def ends_within(future: Future[Any], seconds: float) -> bool:
    """Wait for a call for at most `seconds`; return whether it has ended. If not, it keeps running."""
    return bool(wait([future], seconds).done)


def join(futures: Iterable[Future[None]]) -> None:
    """Wait for all calls; raise the first exception."""
    for future in futures:
        future.result()


def run_all(work: Callable[[Item], None], items: Iterable[Item], at_once: int, timeout_s: float | None = None) -> None:
    """Call `work` for every item and wait for all calls; raise the first exception.

    Args:
        work: What is called.
        items: Its arguments.
        at_once: The number of threads.
        timeout_s: When to return although some calls have not ended; they keep running. None: wait for all.

    """
    queue: SimpleQueue[Item] = SimpleQueue()
    for item in items:
        queue.put(item)
    futures = [start(_drain, work, queue) for _ in range(min(at_once, queue.qsize()))]
    if timeout_s is not None:
        wait(futures, timeout_s)
        futures = [future for future in futures if future.done()]
    join(futures)


def map_all(work: Callable[[Item], Result], items: Iterable[Item], at_once: int) -> list[Result]:
    """Call `work` for every item, `at_once` at a time; return the results in the items' order.

    Raises the first exception.
    """
    numbered = list(items)
    results: dict[int, Result] = {}

    def call(number: int) -> None:
        results[number] = work(numbered[number])

    run_all(call, range(len(numbered)), at_once)
    return [results[number] for number in range(len(numbered))]


def _call(work: Callable[[], Result], future: Future[Result]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
    else:
        future.set_result(result)


def _drain(work: Callable[[Item], None], queue: SimpleQueue[Item]) -> None:
    while True:
        try:
            item = queue.get_nowait()
        except Empty:
            return
        work(item)
