"""A strict stand-in for the Klaviyo API at revision 2026-07-15, for demos, tests and benchmarks.

It shares no code with the connector, so that a misunderstanding cannot hide on both sides.
"""

from klaviyo_simulator.settings import Settings
from klaviyo_simulator.simulator import Simulator

__all__ = ["Settings", "Simulator"]
