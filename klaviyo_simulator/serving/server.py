"""The HTTP server: passes requests to the account and sends the responses, with or without faults."""

from __future__ import annotations

import asyncio
import gzip
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from klaviyo_simulator.access import gate, oauth
from klaviyo_simulator.faults import responses as fault_responses
from klaviyo_simulator.faults import schedule as faults
from klaviyo_simulator.faults.connection import FaultyResponse
from klaviyo_simulator.protocol.errors import CODES, ApiError
from klaviyo_simulator.protocol.messages import Request, Response
from klaviyo_simulator.rules.endpoints import BY_REVISION
from klaviyo_simulator.serving.control import Control

if TYPE_CHECKING:
    from klaviyo_simulator.account.api import Api

_MIN_BYTES_TO_COMPRESS = 1000


class Server:
    """A server of one account on one port."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._control = Control(api)
        self._runner: web.ServerRunner | None = None
        self.url = ""

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one."""
        # Without routes there is no need for an Application, which costs a third of the time of a small request.
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, backlog=1024).start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        path, _, query = incoming.raw_path.partition("?")
        if path.startswith("/_simulator/"):
            return await self._control.handle(incoming)
        request = Request(
            method=incoming.method,
            path=unquote(path),
            query=query,
            headers=incoming.headers,
            origin=f"{incoming.scheme}://{incoming.host}",
            body=await incoming.read() if incoming.method == "POST" else b"",
        )
        api = self._api
        found = next((found for revision in BY_REVISION if (found := gate.find(request.path, revision))), None)
        name = found[0].path if found else request.path if request.path in oauth.PATHS else "unknown"
        entry = api.statistics.count_request(name, request.path, query, time.time())
        if request.body:
            entry["body"] = request.body.decode(errors="replace")
        fault: faults.Fault | None = None
        try:
            response, fault = await self._respond(request)
        except ApiError as error:
            response = Response.of(error)
        api.statistics.count_response(name, entry, response.status, response.records)
        api.mutations.on_response(request, api.now())
        response.headers.setdefault("Date", fault_responses.http_date(api.now()))
        if fault:
            api.statistics.count_fault(fault.kind)
            if fault.kind in faults.CONNECTION:
                return FaultyResponse(fault, response)
        self._compress(request, response)
        return web.Response(status=response.status, body=response.body, headers=response.headers)

    async def _respond(self, request: Request) -> tuple[Response, faults.Fault | None]:
        api = self._api
        settings = api.settings
        admission = None if request.path in oauth.PATHS else gate.admit(request, settings, api.oauth)
        # A server counts a request at some point between its arrival and the response, so the delay is split at random.
        delay = settings.latency + settings.jitter * api.random.random()
        before = delay * api.random.random()
        if delay:
            await asyncio.sleep(before)
        rate_headers = api.throttle(admission.endpoint, request.query, admission.caller) if admission else {}
        if delay:
            await asyncio.sleep(delay - before)
        fault = api.faults.next_for(request)
        if fault and fault.kind in faults.REPLACING:
            response = fault_responses.replacement(fault)
        else:
            try:
                response = api.respond(request, admission) if admission else api.oauth.respond(request)
            except ApiError as error:
                response = Response.of(error)
            if response.status < 300:
                if fault and fault.kind in faults.REWRITING:
                    fault_responses.rewrite(fault, response, api.now())
                response = self._unless_poisoned(request, response)
        if response.status != 429:
            response.headers.update(rate_headers)
        return response, fault

    def _unless_poisoned(self, request: Request, response: Response) -> Response:
        """Return the response, or a 500 if it contains a poisoned record."""
        for identity in self._api.faults.poisoned_ids(request):
            if fault_responses.contains_record(response, identity):
                self._api.statistics.count_fault(faults.POISON)
                return Response.of(ApiError(500, CODES[500][1]))
        return response

    def _compress(self, request: Request, response: Response) -> None:
        accepted = request.headers.get("Accept-Encoding", "")
        if self._api.settings.gzip and "gzip" in accepted and len(response.body) > _MIN_BYTES_TO_COMPRESS:
            response.body = gzip.compress(response.body, 1)
            response.headers["Content-Encoding"] = "gzip"
