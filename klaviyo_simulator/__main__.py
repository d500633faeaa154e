"""The command line: `python -m klaviyo_simulator --port 8123`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from typing import Any

from klaviyo_simulator.account.api import Api
from klaviyo_simulator.serving.server import Server
from klaviyo_simulator.settings import ROTATIONS, SWITCHES, Settings

_SIZES = [field.name for field in fields(Settings) if field.type == "int" and field.name not in SWITCHES | {"seed"}]


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="klaviyo_simulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    for name in _SIZES:
        default = getattr(defaults, name)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=default, help=f"count (default {default})")
    parser.add_argument("--years", type=float, default=defaults.years, help="years of data before the start")
    parser.add_argument("--skew", type=float, default=defaults.skew, help="share of events in the last 1 %% of time")
    parser.add_argument("--now", type=datetime.fromisoformat, help="account time at the start")
    parser.add_argument("--timezone", default=defaults.timezone, help="of the account")
    parser.add_argument("--advanced-kdp", action="store_true", help="the account has the add-on for webhooks")
    parser.add_argument("--key", default=defaults.key)
    for name in ("client_id", "client_secret", "refresh_token"):
        parser.add_argument(f"--{name.replace('_', '-')}", default=getattr(defaults, name), help="of an OAuth app")
    parser.add_argument("--token-life", type=float, default=defaults.token_life, help="seconds of an access token")
    parser.add_argument("--rotation", default=defaults.rotation, help=f"of refresh tokens: {', '.join(ROTATIONS)}")
    parser.add_argument("--scopes", help="scopes of the key, as accounts:read,events:read (default: all)")
    parser.add_argument("--latency", type=float, default=defaults.latency, help="seconds")
    parser.add_argument("--jitter", type=float, default=defaults.jitter, help="seconds of random extra latency")
    parser.add_argument("--no-limits", dest="limits", action="store_false", help="no rate limits")
    parser.add_argument("--gzip", action="store_true", help="compress for clients that accept it")
    parser.add_argument("--switch", action="append", default=[], metavar="NAME=VALUE", help=", ".join(sorted(SWITCHES)))
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    given: dict[str, Any] = vars(arguments)
    for name in ("port", "host"):
        given.pop(name)
    switches = dict(switch.partition("=")[::2] for switch in given.pop("switch"))
    if given["scopes"] is not None:
        given["scopes"] = frozenset(scope.strip() for scope in given["scopes"].split(","))
    return Settings(**given).switched(switches)


async def _serve(settings: Settings, host: str, port: int) -> None:
    server = Server(Api(settings))
    ended = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    await server.start(host, port)
    print(f"Klaviyo simulator ready at {server.url}", file=sys.stderr, flush=True)
    await ended.wait()
    await server.stop()


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = _parser()
    arguments = parser.parse_args()
    host, port = arguments.host, arguments.port
    try:
        settings = _settings(arguments)
    except ValueError as error:
        parser.error(str(error))
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings, host, port))


if __name__ == "__main__":
    main()
