"""The app's hooks: called when an exchange is over, and never a danger to it.

What a hook is asked in is a generator that yields whatever has to be awaited. It runs where the
request ends until the first awaitable comes; from there on it runs on the app's event loop, or, where
there is none, on one of our own. Nobody waits for it there.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from opentelemetry.instrumentation.utils import suppress_instrumentation

from spantap.guard import logger, report
from spantap.model import Exchange, Observation
from spantap.otel.anew import made_anew
from spantap.policy.decide import Drop
from spantap.policy.identify import as_id, digest_of
from spantap.policy.mask import EditableExchange, without_bodies
from spantap.policy.view import RawExchange

Result = TypeVar("Result")
Asking = Generator[Awaitable[Any], Any, Result]

NAMES: Final = (
    *("skip", "identify_user", "identify_company", "session_token", "device", "metadata", "mask"),
)
_MOST_PENDING: Final = 1000  # exchanges whose hooks are being awaited
_FAILED: Final = object()
_IDS: Final = {"identify_user": "user", "identify_company": "company", "device": "device"}


@dataclass(slots=True)
class HookStats:
    """What one hook did so far.

    Attributes:
        calls: how often it was called.
        failed: how often it raised, was too slow or returned something of no use.
        total_ms, max_ms: how long it took, all calls and the longest.
    """

    calls: int = 0
    failed: int = 0
    total_ms: float = 0.0
    max_ms: float = 0.0

    @property
    def mean_ms(self) -> float:
        """How long a call took."""
        return self.total_ms / self.calls if self.calls else 0.0


class NotAwaitedError(Exception):
    """An awaitable that cannot be awaited: too many wait already, or the loop has ended."""


class Hooks:
    """The hooks of one capture. Thread-safe, fork-safe.

    Attributes:
        stats: what each of them did.
    """

    def __init__(self, hooks: Mapping[str, Callable[[Any], Any]] | None = None, timeout: float = 1.0) -> None:
        """Args:
        hooks: some of `NAMES`, and what to call.
        timeout: seconds an awaitable hook has.
        """
        self._hooks = dict(hooks or {})
        self._timeout = timeout
        self.reset_after_fork()
        _all.add(self)

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def any_of(self, names: Iterable[str]) -> bool:
        """Whether there is a hook of one of these names."""
        return not self._hooks.keys().isdisjoint(names)

    def reset_after_fork(self) -> None:
        """In the child: no loop, nothing awaited, nothing counted."""
        self.stats = {name: HookStats() for name in self._hooks}
        self._pending = 0
        self._condition = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # What is asked ------------------------------------------------------------------------------

    def ask(self, seen: Observation, exchange: RawExchange) -> Asking[Drop | None]:
        """Ask all but `mask`, and fill in what they say.

        Returns:
            Why the exchange is not to be kept; None when it is.
        """
        if "skip" in self._hooks:
            skipped = yield from self._call("skip", exchange)
            if skipped is True:
                return Drop("skipped")
            self._refuse_unless("skip", skipped is False or skipped is None or skipped is _FAILED)
        for hook, part in _IDS.items():
            found = yield from self._id(hook, exchange)
            if found is not None:
                setattr(seen, part, found)
        token = yield from self._id("session_token", exchange)
        if token is not None:
            seen.session = digest_of(token)
        if "metadata" in self._hooks:
            facts = yield from self._call("metadata", exchange)
            if isinstance(facts, Mapping):
                seen.metadata.update(facts)
            else:
                self._refuse_unless("metadata", facts is None or facts is _FAILED)
        return None

    def mask(
        self, exchange: Exchange, made: Callable[[Exchange, EditableExchange], Exchange]
    ) -> Asking[Exchange | Drop]:
        """What `mask` leaves of a clean exchange; without bodies when it fails.

        Args:
            exchange: the clean exchange.
            made: makes an exchange of what the hook returned.
        """
        if "mask" not in self._hooks:
            return exchange
        left = yield from self._call("mask", EditableExchange(exchange))
        if left is None:
            return Drop("masked")
        if isinstance(left, EditableExchange):
            try:
                return made(exchange, left)
            except Exception as error:  # noqa: BLE001 - the hook may have put anything in it
                report("writing what the hook mask returned", error)
                self._refuse_unless("mask", False)
        else:
            self._refuse_unless("mask", left is _FAILED)
        return without_bodies(exchange)

    def _id(self, name: str, exchange: RawExchange) -> Asking[str | None]:
        if name not in self._hooks:
            return None
        value = yield from self._call(name, exchange)
        if value is None or value is _FAILED:
            return None
        found = as_id(value)
        self._refuse_unless(name, found is not None or value == "")
        return found

    def _call(self, name: str, argument: object) -> Asking[Any]:
        begun = time.perf_counter()
        failed = True
        try:
            with suppress_instrumentation():  # what it sends would be asked about as well, without end
                result = self._hooks[name](argument)
            if inspect.isawaitable(result):
                result = yield result
            failed = False
            return result
        except GeneratorExit as error:
            if error.__traceback__ is not None and error.__traceback__.tb_next is None:
                raise  # nobody goes on asking
            report(f"calling the hook {name}", error)
            return _FAILED
        except KeyboardInterrupt:
            raise  # meant for the process
        except BaseException as error:  # noqa: BLE001 - it may do anything
            report(f"calling the hook {name}", error)
            return _FAILED
        finally:
            self._count(name, (time.perf_counter() - begun) * 1000, failed=failed)

    def _count(self, name: str, took: float, *, failed: bool) -> None:
        with self._condition:
            stats = self.stats[name]
            stats.calls += 1
            stats.failed += failed
            stats.total_ms += took
            stats.max_ms = max(stats.max_ms, took)

    def _refuse_unless(self, name: str, of_use: bool) -> None:
        """Count and tell, once and without it, that a hook returned something of no use."""
        if of_use:
            return
        with self._condition:
            self.stats[name].failed += 1
            told = name in self._told
            self._told.add(name)
        if not told:
            logger.error("the hook %s returned something it should not; this is logged once", name)

    # How it is run ------------------------------------------------------------------------------

    def run(self, asking: Asking[None], loop: asyncio.AbstractEventLoop | None) -> None:
        """Run to the end, now or soon.

        Args:
            asking: what yields awaitables; it must not raise.
            loop: the app's event loop, where they are awaited; None: ours.
        """
        try:
            awaitable = next(asking)
        except StopIteration:
            return
        with self._condition:
            too_many = self._pending >= _MOST_PENDING
            self._pending += not too_many
        if too_many:
            _run_without_waiting(asking, awaitable)
            return
        try:
            loop = loop or self._background()
            if loop is running_loop():
                self._start(asking, awaitable, loop)
            else:
                loop.call_soon_threadsafe(self._start, asking, awaitable, loop)
        except RuntimeError:  # the loop is closed, or the interpreter shuts down
            self._done()
            _run_without_waiting(asking, awaitable)

    def run_now(self, asking: Asking[Result]) -> Result:
        """Run to the end at once; what would have to be awaited fails."""
        try:
            awaitable = next(asking)
        except StopIteration as end:
            result: Result = end.value
            return result
        return _run_without_waiting(asking, awaitable)

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is awaited any more; False when the timeout (seconds) came first.

        On an event loop there is no waiting: it is the one that would have to do it.
        """
        try:
            asyncio.get_running_loop()
            timeout = 0.0
        except RuntimeError:
            pass
        with self._condition:
            return self._condition.wait_for(lambda: not self._pending, timeout)

    def _start(
        self, asking: Asking[None], awaitable: Awaitable[Any], loop: asyncio.AbstractEventLoop
    ) -> None:
        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._done()
            if inspect.getgeneratorstate(asking) != inspect.GEN_CLOSED:  # cancelled: the loop ends
                _run_without_waiting(asking, None)

        task = loop.create_task(self._drive(asking, awaitable))
        self._tasks.add(task)  # a loop does not keep its tasks alive
        task.add_done_callback(ended)

    async def _drive(self, asking: Asking[None], awaitable: Awaitable[Any]) -> None:
        try:
            while True:
                result, error = await self._within_time(awaitable)  # cancelled: the loop ends
                awaitable = asking.send(result) if error is None else asking.throw(error)
        except StopIteration:
            pass

    async def _within_time(self, awaitable: Awaitable[Any]) -> tuple[Any, BaseException | None]:
        task = asyncio.ensure_future(_ended(awaitable))
        task.add_done_callback(_retrieve)
        try:
            done, _ = await asyncio.wait({task}, timeout=self._timeout)
        except asyncio.CancelledError:  # the loop ends, perhaps before the hook has begun
            if (
                inspect.iscoroutine(awaitable)
                and inspect.getcoroutinestate(awaitable) == inspect.CORO_CREATED
            ):
                awaitable.close()
            raise
        if not done:
            task.cancel()  # it may take its time, or not care: nobody waits for that
            return None, TimeoutError()
        return (None, asyncio.CancelledError()) if task.cancelled() else task.result()

    def _done(self) -> None:
        with self._condition:
            self._pending -= 1
            self._condition.notify_all()

    def _background(self) -> asyncio.AbstractEventLoop:
        with self._condition:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=loop.run_forever, name="spantap-hooks", daemon=True)
                try:
                    thread.start()
                except RuntimeError:
                    loop.close()
                    raise
                self._loop = loop
            return self._loop


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The asyncio loop the caller runs on; None in threads, and under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _run_without_waiting(asking: Asking[Result], awaitable: Awaitable[Any] | None) -> Result:
    try:
        while True:
            close = getattr(awaitable, "close", None)
            if close is not None:
                close()  # a coroutine that is never awaited complains
            awaitable = asking.throw(NotAwaitedError())
    except StopIteration as end:
        result: Result = end.value
        return result


async def _ended(awaitable: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """What came of it. A task that ends with SystemExit would end the app's event loop."""
    try:
        with suppress_instrumentation():
            return await awaitable, None
    except (asyncio.CancelledError, KeyboardInterrupt):
        raise
    except BaseException as error:  # noqa: BLE001 - see `Hooks._call`
        return None, error


def _retrieve(task: asyncio.Future[Any]) -> None:
    """Nobody else may ask a hook that came too late how it ended, and asyncio would complain."""
    if not task.cancelled():
        task.exception()


_all: weakref.WeakSet[Hooks] = weakref.WeakSet()


def _reset_all() -> None:
    for hooks in list(_all):
        hooks.reset_after_fork()


made_anew(_reset_all)
