"""The simulator inside another program: a server on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from klaviyo_simulator.api import Api
from klaviyo_simulator.control import Control
from klaviyo_simulator.server import Server
from klaviyo_simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from typing_extensions import Self

Result = TypeVar("Result")


class Simulator:
    """A Klaviyo account on a free local port.

        with Simulator(events=1000) as simulator:
            requests.get(simulator.url + "/api/events", …)

    All arguments are fields of `Settings`.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._api = Api(self.settings)
        self._control = Control(self._api)
        self._server = Server(self._api)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Begin to serve."""
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="klaviyo-simulator", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(host, port), loop).result()
        self.url = self._server.url

    def stop(self) -> None:
        """End serving; the thread and all sockets are gone afterwards."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        self._loop = self._thread = None

    def now(self) -> float:
        """What time it is in the account, in seconds since 1970."""
        return self._api.now()

    def advance(self, seconds: float) -> None:
        """Move the account's clock; rate windows go by real time and stay as they are."""
        self._run(lambda: self._api.advance(seconds))

    def stats(self) -> dict[str, Any]:
        """Counts of requests, statuses and records, in all and by endpoint."""
        return self._run(self._api.statistics.document)

    def reset_stats(self) -> None:
        """Begin the counts again from zero."""
        self._run(self._api.statistics.reset)

    def requests(self, last: int | None = None) -> list[dict[str, Any]]:
        """The last requests, oldest first: at, path, query, status, records."""
        return self._run(lambda: self._api.statistics.requests(last))

    def ids(self, resource: str) -> list[str]:
        """All ids of a collection ("events", …), archived and hidden ones among them, but for what no filter shows."""
        return self._run(lambda: self._control.ids(resource))

    def mutate(self, **changes: Any) -> dict[str, list[str]]:
        """Change data: `mutate(profiles=5, events=20, late_events=3, late_by=86400)`; see `Mutations.play`."""
        return self._run(lambda: self._control.mutate(**changes))

    def mutate_continuously(self, every: int, **changes: Any) -> None:
        """Change data after every so many requests; 0 ends it. `mutations()` tells what was changed."""
        self._run(lambda: self._control.mutate_continuously(every, **changes))

    def when_asked(self, pattern: str, times: int, action: Callable[[], object]) -> None:
        """Call something once so many requests are answered, before the last answer is sent.

            simulator.when_asked("/api/lists?*", 2, lambda: simulator.delete("list", a_list))

        Args:
            pattern: what path and query look like, decoded (`/api/flows?*equals(archived,true)*`).
            times: how many requests.
            action: may change data through this simulator.
        """
        self._run(lambda: self._api.mutations.wait(pattern, times, action))

    def mutations(self) -> list[dict[str, list[str]]]:
        """All changes so far."""
        return self._run(lambda: list(self._api.mutations.made))

    def create(
        self,
        name: str,
        count: int = 1,
        *,
        of: dict[str, str] | None = None,
        attributes: dict[str, Any] | None = None,
        at: float | None = None,
        visible_after: float = 0.0,
    ) -> list[str]:
        """Make records of a type: `create("flow-message", of={"flow-action": action})`; see `Edits.create`."""
        more: dict[str, Any] = {"of": of, "attributes": attributes, "at": at, "visible_after": visible_after}
        return self._run(lambda: self._api.edits.create(name, count, **more))

    def touch(
        self, name: str, identity: str, *, attributes: dict[str, Any] | None = None, at: float | None = None
    ) -> None:
        """Change a record and move its date: `touch("form-version", version)`; see `Edits.touch`."""
        self._run(lambda: self._api.edits.touch(name, identity, attributes=attributes, at=at))

    def delete(self, name: str, identity: str) -> None:
        """Delete a record, with the children that cannot be without it: `delete("list", a_list)`."""
        self._run(lambda: self._api.edits.delete(name, identity))

    def join(
        self,
        parent: str,
        identity: str,
        child: str,
        ids: Sequence[str],
        *,
        at: float | None = None,
        visible_after: float = 0.0,
    ) -> None:
        """Make records children of another: `join("list", a_list, "profile", profiles)`; see `Edits.join`."""
        self._run(lambda: self._api.edits.join(parent, identity, child, ids, at=at, visible_after=visible_after))

    def leave(self, parent: str, identity: str, child: str, ids: Sequence[str]) -> None:
        """Take records out of another: `leave("list", a_list, "profile", profiles)`."""
        self._run(lambda: self._api.edits.leave(parent, identity, child, ids))

    def suppress(self, ids: Sequence[str], *, reason: str = "USER_SUPPRESSED", at: float | None = None) -> None:
        """Suppress profiles; see `Edits.suppress`."""
        self._run(lambda: self._api.edits.suppress(ids, reason=reason, at=at))

    def subscribe(self, ids: Sequence[str], *, at: float | None = None) -> None:
        """Let profiles subscribe to e-mail; see `Edits.subscribe`."""
        self._run(lambda: self._api.edits.subscribe(ids, at=at))

    def unsubscribe(self, ids: Sequence[str], *, at: float | None = None) -> None:
        """Let profiles unsubscribe from e-mail; see `Edits.unsubscribe`."""
        self._run(lambda: self._api.edits.unsubscribe(ids, at=at))

    def add_faults(self, faults: list[dict[str, Any]]) -> None:
        """Add faults: `[{"kind": "status", "status": 503, "path": "/api/events", "times": 3}]`."""
        self._run(lambda: self._control.add_faults(faults))

    def clear_faults(self) -> None:
        """Forget all faults that have not struck yet."""
        self._run(self._api.faults.clear)

    def switch(self, **switches: Any) -> None:
        """Change switches of `Settings` while it runs."""
        self._run(lambda: self._api.switch(switches))

    def _run(self, action: Callable[[], Result]) -> Result:
        if self._loop is None or threading.current_thread() is self._thread:
            return action()

        # All data belong to the server's thread; every access goes through its loop.
        async def on_the_loop() -> Result:
            return action()

        return asyncio.run_coroutine_threadsafe(on_the_loop(), self._loop).result()
