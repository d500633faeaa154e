"""The simulator inside another program: a server on its own thread."""

from __future__ import annotations

import asyncio
import threading
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

from klaviyo_simulator.account.api import Api
from klaviyo_simulator.serving.control import Control
from klaviyo_simulator.serving.server import Server
from klaviyo_simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import ParamSpec, Self

    Parameters = ParamSpec("Parameters")

Result = TypeVar("Result")


class Simulator:
    """A Klaviyo account on a free local port.

        with Simulator(events=1000) as simulator:
            requests.get(simulator.url + "/api/events", …)
            simulator.mutate(profiles=5, late_events=3, late_by=86400)

    All arguments are fields of `Settings`. The methods are documented in `Edits` (single records), `Mutations` (changes
    by number), `Faults`, `Statistics`, `OAuth` and `Control`.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._api = Api(self.settings)
        self._server = Server(self._api)

        api, edits, control = self._api, self._api.edits, Control(self._api)
        self.advance = self._on_the_loop(api.advance)
        self.stats = self._on_the_loop(api.statistics.document)
        self.reset_stats = self._on_the_loop(api.statistics.reset)
        self.requests = self._on_the_loop(api.statistics.requests)
        self.ids = self._on_the_loop(control.ids)
        self.mutate = self._on_the_loop(control.mutate)
        self.mutate_continuously = self._on_the_loop(control.mutate_continuously)
        self.when_requested = self._on_the_loop(api.mutations.when_requested)
        self.create = self._on_the_loop(edits.create)
        self.touch = self._on_the_loop(edits.touch)
        self.delete = self._on_the_loop(edits.delete)
        self.join = self._on_the_loop(edits.join)
        self.leave = self._on_the_loop(edits.leave)
        self.suppress = self._on_the_loop(edits.suppress)
        self.subscribe = self._on_the_loop(edits.subscribe)
        self.unsubscribe = self._on_the_loop(edits.unsubscribe)
        self.issue_token = self._on_the_loop(api.oauth.issue)
        self.expire_tokens = self._on_the_loop(api.oauth.expire)
        self.revoke_tokens = self._on_the_loop(api.oauth.revoke_all)
        self.add_faults = self._on_the_loop(api.faults.add)
        self.clear_faults = self._on_the_loop(api.faults.clear)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Start serving; port 0 picks a free one."""
        loop = self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="klaviyo-simulator", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(host, port), loop).result()
        self.url = self._server.url

    def stop(self) -> None:
        """Stop serving, and close all sockets and the thread."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        self._loop = self._thread = None

    def now(self) -> float:
        """Return the account's time, in seconds since 1970."""
        return self._api.now()

    def mutations(self) -> list[dict[str, list[str]]]:
        """Return all changes by `mutate` and `mutate_continuously` so far."""
        return self._run(lambda: list(self._api.mutations.made))

    def switch(self, **switches: Any) -> None:
        """Change switches of `Settings` at runtime."""
        self._run(lambda: self._api.switch(switches))

    def _on_the_loop(self, method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        """Wrap a method so that it runs on the server's thread, which owns all data."""

        @wraps(method)
        def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            return self._run(lambda: method(*args, **kwargs))

        return run

    def _run(self, action: Callable[[], Result]) -> Result:
        if self._loop is None or threading.current_thread() is self._thread:
            return action()

        async def on_the_loop() -> Result:
            return action()

        return asyncio.run_coroutine_threadsafe(on_the_loop(), self._loop).result()
