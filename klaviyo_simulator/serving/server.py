"""The HTTP server: takes requests to the account, and gives their answers, good or spoiled."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from klaviyo_simulator.access import gate, oauth
from klaviyo_simulator.faults import answers as spoiling
from klaviyo_simulator.faults import schedule as faults
from klaviyo_simulator.faults.connection import SpoiledResponse
from klaviyo_simulator.protocol.errors import CODES, ApiError
from klaviyo_simulator.protocol.messages import Answer, Call
from klaviyo_simulator.rules.endpoints import BY_REVISION
from klaviyo_simulator.serving.control import Control

if TYPE_CHECKING:
    from klaviyo_simulator.account.api import Api

_SMALLEST_TO_COMPRESS = 1000


class Server:
    """Serves one account on one port."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._control = Control(api)
        self._runner: web.ServerRunner | None = None
        self.url = ""

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any that is free."""
        # No Application: there is nothing to route, and this saves a third of the time of a small request.
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=1024).start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening, and end all connections."""
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if path.startswith("/_simulator/"):
            return await self._control.handle(request)
        call = Call(
            method=request.method,
            path=unquote(path),
            query=query,
            headers=request.headers,
            origin=f"{request.scheme}://{request.host}",
            body=await request.read() if request.method == "POST" else b"",
        )
        api = self._api
        found = next((found for revision in BY_REVISION if (found := gate.find(call.path, revision))), None)
        name = found[0].path if found else call.path if call.path in oauth.PATHS else "unknown"
        entry = api.statistics.request(name, call.path, query, time.time())
        if call.body:
            entry["body"] = call.body.decode(errors="replace")
        fault: faults.Fault | None = None
        try:
            answer, fault = await self._answer(call)
        except ApiError as error:
            answer = Answer.of(error)
        api.statistics.answer(name, entry, answer.status, answer.records)
        api.mutations.served(call, api.now())
        answer.headers.setdefault("Date", spoiling.http_date(api.now()))
        if fault:
            api.statistics.fault(fault.kind)
            if fault.kind in faults.WIRE:
                return SpoiledResponse(fault, answer)
        self._compress(call, answer)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    async def _answer(self, call: Call) -> tuple[Answer, faults.Fault | None]:
        api = self._api
        settings = api.settings
        admission = None if call.path in oauth.PATHS else gate.admit(call, settings, api.oauth)
        # A request takes its place in the rate windows somewhere between being sent and being answered.
        delay = settings.latency + settings.jitter * api.random.random()
        before = delay * api.random.random()
        if delay:
            await asyncio.sleep(before)
        rate_headers = api.throttle(admission.endpoint, call.query, admission.caller) if admission else {}
        if delay:
            await asyncio.sleep(delay - before)
        fault = api.faults.strike(call)
        if fault and fault.kind in faults.INSTEAD:
            answer = spoiling.replaced(fault)
        else:
            try:
                answer = api.answer(call, admission) if admission else api.oauth.answer(call)
            except ApiError as error:
                answer = Answer.of(error)
            if answer.status < 300:
                if fault and fault.kind in faults.REWRITING:
                    spoiling.rewrite(fault, answer, api.now())
                answer = self._poisoned(call, answer)
        if answer.status != 429:
            answer.headers.update(rate_headers)
        return answer, fault

    def _poisoned(self, call: Call, answer: Answer) -> Answer:
        """The answer, or the error that stands in its place if a record in it breaks every page it is on."""
        for identity in self._api.faults.poison(call):
            if spoiling.holds(answer, identity):
                self._api.statistics.fault(faults.POISON)
                return Answer.of(ApiError(500, CODES[500][1]))
        return answer

    def _compress(self, call: Call, answer: Answer) -> None:
        accepted = call.headers.get("Accept-Encoding", "")
        if self._api.settings.gzip and "gzip" in accepted and len(answer.body) > _SMALLEST_TO_COMPRESS:
            answer.body = gzip.compress(answer.body, 1)
            answer.headers["Content-Encoding"] = "gzip"
