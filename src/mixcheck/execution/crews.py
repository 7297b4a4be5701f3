"""Objects that stay where they were made, and are asked: here, in processes, or on a cluster.

A crew makes one object of each of some makers and keeps it. A question is a function of an object
and of what is sent with it; the answers come back in the order of the makers, so that what is made
of them does not depend on who holds what. An object that is lost with its worker is made again.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from functools import partial
from importlib import import_module
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

from mixcheck.errors import WorkerError

__all__ = ["Crew", "DaskCrew", "LocalCrew", "ProcessCrew"]

Held = TypeVar("Held")
Next = TypeVar("Next")
Answer = TypeVar("Answer")
P = ParamSpec("P")

# A worker that is lost more often while it is asked one question is lost for good.
_MAX_LOSSES = 2
# Seconds between looks of a worker whether its parent is there.
_WATCHED = 1.0
# Seconds after which an answer that has not come is asked for anew, if its worker is gone.
_PATIENCE = 5.0


class Crew(ABC, Generic[Held]):
    """Some objects, each held by one worker."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of objects."""

    @abstractmethod
    def ask(
        self, question: Callable[Concatenate[Held, P], Answer], *args: P.args, **kwargs: P.kwargs
    ) -> list[Answer]:
        """The answer of every object, in order.

        Raises
        ------
        WorkerError
            If workers are lost again and again.
        """

    @abstractmethod
    def ask_one(
        self,
        k: int,
        question: Callable[Concatenate[Held, P], Answer],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer:
        """The answer of object k."""

    @abstractmethod
    def ask_each(
        self, question: Callable[..., Answer], own: Sequence[Any], *args: Any
    ) -> list[Answer]:
        """As `ask`, with something of its own for every object: ``question(k, own_k, *args)``."""

    @abstractmethod
    def change(
        self, into: Callable[Concatenate[Held, P], Next], *args: P.args, **kwargs: P.kwargs
    ) -> Crew[Next]:
        """The crew that holds what a function makes of each object; this one is used up."""

    def close(self) -> None:
        """Give the objects up, and end what was started for them."""


class LocalCrew(Crew[Held]):
    """Objects of this process, asked one after another.

    Examples
    --------
    >>> crew = LocalCrew([list, lambda: [1, 2]])
    >>> crew.ask(len)
    [0, 2]
    """

    def __init__(self, makers: Sequence[Callable[[], Held]]) -> None:
        self._held = [make() for make in makers]

    @property
    def size(self) -> int:
        """Number of objects."""
        return len(self._held)

    def ask(
        self, question: Callable[Concatenate[Held, P], Answer], *args: P.args, **kwargs: P.kwargs
    ) -> list[Answer]:
        """The answer of every object, in order."""
        return [question(held, *args, **kwargs) for held in self._held]

    def ask_each(
        self, question: Callable[..., Answer], own: Sequence[Any], *args: Any
    ) -> list[Answer]:
        """The answer of every object, each with something of its own."""
        return [question(*pair, *args) for pair in zip(self._held, own, strict=True)]

    def ask_one(
        self,
        k: int,
        question: Callable[Concatenate[Held, P], Answer],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer:
        """The answer of object k."""
        return question(self._held[k], *args, **kwargs)

    def change(
        self, into: Callable[Concatenate[Held, P], Next], *args: P.args, **kwargs: P.kwargs
    ) -> LocalCrew[Next]:
        """The crew that holds what a function makes of each object."""
        held: list[Any] = self._held
        for k, one in enumerate(held):
            held[k] = None
            held[k] = into(one, *args, **kwargs)
            del one
        changed: LocalCrew[Next] = LocalCrew([])
        changed._held = held
        return changed

    def close(self) -> None:
        """Give the objects up."""
        self._held = []


# What a worker process holds: by the number of the crew and that of the object.
_HOLDINGS: dict[tuple[int, int], Any] = {}
_NUMBERS = itertools.count()


class _Absent(Exception):
    """A worker process does not hold what it is asked: it is a new one."""


def _make(key: tuple[int, int], make: Callable[[], Any], changes: Sequence[Any]) -> None:
    held = make()
    for into, args, kwargs in changes:
        held = into(held, *args, **kwargs)
    _HOLDINGS[key] = held


def _change(key: tuple[int, int], into: Callable[..., Any], args: Any, kwargs: Any) -> None:
    if key not in _HOLDINGS:
        raise _Absent
    _HOLDINGS[key] = into(_HOLDINGS.pop(key), *args, **kwargs)


def _answer(key: tuple[int, int], question: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    if key not in _HOLDINGS:
        raise _Absent
    return question(_HOLDINGS[key], *args, **kwargs)


def _end(executors: list[ProcessPoolExecutor]) -> None:
    for executor in executors:
        executor.shutdown(wait=True, cancel_futures=True)
    executors.clear()


def _run(payload: bytes) -> Any:
    """Do a task in a worker process."""
    return pickle.loads(payload)()


class ProcessCrew(Crew[Held]):
    """Objects of worker processes of this machine, each of which holds its share.

    Parameters
    ----------
    makers : sequence of callable
        They are sent to the workers.
    workers : int
    """

    def __init__(self, makers: Sequence[Callable[[], Held]], workers: int) -> None:
        self._makers: Sequence[Callable[[], Any]] = makers
        self._changes: list[tuple[Callable[..., Any], Any, Any]] = []
        self._number = next(_NUMBERS)
        self._executors: list[ProcessPoolExecutor] = []
        self._finalizer = weakref.finalize(self, _end, self._executors)
        try:
            self._executors += [_one_process() for _ in range(min(workers, len(makers)))]
            self._all(_make, [(make, ()) for make in makers])
        except BaseException:
            self.close()
            raise

    @property
    def size(self) -> int:
        """Number of objects."""
        return len(self._makers)

    def ask(
        self, question: Callable[Concatenate[Held, P], Answer], *args: P.args, **kwargs: P.kwargs
    ) -> list[Answer]:
        """The answer of every object, in order."""
        return self._all(_answer, [(question, args, kwargs)] * self.size)

    def ask_each(
        self, question: Callable[..., Answer], own: Sequence[Any], *args: Any
    ) -> list[Answer]:
        """The answer of every object, each with something of its own."""
        return self._all(_answer, [(question, (one, *args), {}) for one in own])

    def ask_one(
        self,
        k: int,
        question: Callable[Concatenate[Held, P], Answer],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer:
        """The answer of object k."""
        found: Answer = self._again(k, _answer, (question, args, kwargs), None)
        return found

    def change(
        self, into: Callable[Concatenate[Held, P], Next], *args: P.args, **kwargs: P.kwargs
    ) -> ProcessCrew[Next]:
        """The crew that holds what a function makes of each object."""
        self._all(_change, [(into, args, kwargs)] * self.size)
        self._changes.append((into, args, kwargs))
        changed: Any = self
        return changed  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the processes."""
        self._finalizer()

    def _slot(self, k: int) -> int:
        return k % len(self._executors)

    def _send(self, k: int, task: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """A future; None where the worker is gone."""
        payload = _pack(partial(task, (self._number, k), *args))
        try:
            return self._executors[self._slot(k)].submit(_run, payload)
        except BrokenExecutor:
            return None

    def _all(self, task: Callable[..., Any], each: Sequence[tuple[Any, ...]]) -> list[Any]:
        sent = [self._send(k, task, args) for k, args in enumerate(each)]
        return [self._again(k, task, args, sent[k]) for k, args in enumerate(each)]

    def _again(self, k: int, task: Callable[..., Any], args: tuple[Any, ...], sent: Any) -> Any:
        """The result of a task; where its worker was lost a new one does it."""
        losses = 0
        sent = self._send(k, task, args) if sent is None else sent
        while True:
            try:
                if sent is None:
                    raise BrokenExecutor
                return sent.result()
            except BrokenExecutor as error:
                losses += 1
                if losses > _MAX_LOSSES:
                    raise WorkerError(
                        f"the worker process that holds part {k + 1} of {self.size} ended "
                        f"{losses} times before its work was done; often the memory was used up: "
                        "make the parts smaller, or start fewer workers"
                    ) from error
                self._replace(self._slot(k), sent)
            except _Absent:
                make = self._send(k, _make, (self._makers[k], self._changes))
                if make is not None:
                    with contextlib.suppress(BrokenExecutor):
                        make.result()
            sent = self._send(k, task, args)

    def _replace(self, slot: int, sent: Any) -> None:
        """A new process in the place of one that is gone, unless there is one already."""
        old = self._executors[slot]
        try:
            old.submit(int).result()
        except BrokenExecutor:
            old.shutdown(wait=False)
            self._executors[slot] = _one_process()


def _pack(task: Callable[[], Any]) -> bytes:
    """As bytes, functions of the caller's program by value."""
    import joblib

    return pickle.dumps(joblib.wrap_non_picklable_objects(task))


def _one_process() -> ProcessPoolExecutor:
    """A process of its own, which begins without the main program.

    The executor is that of the standard library: the one of loky ends a process whose memory has
    grown, and to hold much is what these are for.
    """
    context = import_module("joblib.externals.loky.backend").get_context("loky")
    return ProcessPoolExecutor(1, context, _follow, (os.getpid(),))


def _follow(parent: int) -> None:
    """End this process where the one that started it is gone, however that ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCHED)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class DaskCrew(Crew[Held]):
    """Objects that the workers of a client of dask hold.

    Each is asked where it is, so that what it remembers of the last question is there at the next.
    What a lost worker has held is made again by another.

    Parameters
    ----------
    makers : sequence of callable
    client : distributed.Client
    """

    def __init__(self, makers: Sequence[Callable[[], Held]], client: Any) -> None:
        self._client = client
        self._held = [client.submit(_call, make, pure=False) for make in makers]
        self._places: list[str | None] = [None] * len(self._held)

    @classmethod
    def of(cls, make: Callable[[Any], Held], futures: Sequence[Any], client: Any) -> DaskCrew[Held]:
        """The crew of what a function makes of the result of each of some futures."""
        crew: DaskCrew[Held] = cls([], client)
        crew._held = [client.submit(make, future, pure=False) for future in futures]
        crew._places = [None] * len(crew._held)
        return crew

    @property
    def size(self) -> int:
        """Number of objects."""
        return len(self._held)

    def ask(
        self, question: Callable[Concatenate[Held, P], Answer], *args: P.args, **kwargs: P.kwargs
    ) -> list[Answer]:
        """The answer of every object, in order."""
        return self._all(question, [args] * self.size, kwargs)

    def ask_each(
        self, question: Callable[..., Answer], own: Sequence[Any], *args: Any
    ) -> list[Answer]:
        """The answer of every object, each with something of its own."""
        return self._all(question, [(one, *args) for one in own], {})

    def _all(
        self, question: Callable[..., Answer], each: Sequence[tuple[Any, ...]], kwargs: Any
    ) -> list[Answer]:
        sent = [self._send(k, question, args, kwargs) for k, args in enumerate(each)]
        return [
            self._result(k, future, question, args, kwargs)
            for k, (future, args) in enumerate(zip(sent, each, strict=True))
        ]

    def ask_one(
        self,
        k: int,
        question: Callable[Concatenate[Held, P], Answer],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer:
        """The answer of object k."""
        sent = self._send(k, question, args, kwargs)
        found: Answer = self._result(k, sent, question, args, kwargs)
        return found

    def change(
        self, into: Callable[Concatenate[Held, P], Next], *args: P.args, **kwargs: P.kwargs
    ) -> DaskCrew[Next]:
        """The crew that holds what a function makes of each object."""
        changed: DaskCrew[Next] = DaskCrew([], self._client)
        changed._held = [
            self._client.submit(into, held, *args, pure=False, **kwargs) for held in self._held
        ]
        changed._places = [None] * len(changed._held)
        self._held = []
        return changed

    def close(self) -> None:
        """Release the objects; the client goes on."""
        self._held = []

    def _send(self, k: int, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if self._places[k] is None:
            self._places[k] = self._place(k)
        return self._client.submit(
            function, self._held[k], *args, pure=False, workers=[self._places[k]], **kwargs
        )

    def _place(self, k: int) -> str:
        """Which worker holds object k, once it is made."""
        import distributed

        held = self._held[k]
        while True:
            cast("Any", distributed).wait(held)
            if held.status != "finished":
                self._raise(k, held)
            places = self._client.who_has([held]).get(held.key, ())
            if places:
                return str(sorted(places)[0])

    def _result(
        self, k: int, future: Any, function: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        """The result of a question; it is asked again where its worker is gone."""
        from distributed import TimeoutError as OutOfTime

        while True:
            try:
                return future.result(timeout=_PATIENCE)
            except OutOfTime:
                if self._is_there(k):
                    continue
            except Exception as error:
                if not _is_lost(error) or self._is_there(k):
                    self._raise(k, future)
            self._places[k] = None
            future = self._send(k, function, args, kwargs)

    def _is_there(self, k: int) -> bool:
        """Whether the worker that was asked is still one."""
        return self._places[k] in self._client.scheduler_info(n_workers=-1)["workers"]

    def _raise(self, k: int, future: Any) -> None:
        try:
            future.result()
        except Exception as error:
            if not _is_lost(error):
                raise
            raise WorkerError(
                f"the workers that held part {k + 1} of {self.size} ended before their work was "
                "done; often the memory was used up: make the parts smaller, or start fewer "
                "workers on a machine"
            ) from error


def _is_lost(error: Exception) -> bool:
    return type(error).__name__ in ("KilledWorker", "FutureCancelledError", "CancelledError")


def _call(make: Callable[[], Held]) -> Held:
    return make()
