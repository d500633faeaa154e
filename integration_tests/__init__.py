"""Tests of the whole connector, as users run it, against the simulator."""
