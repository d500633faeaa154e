"""The made-up shop whose data the simulator serves."""
