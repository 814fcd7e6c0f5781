"""Runs a client of the device grant through all scenarios of `pairlet_sim.faults`, and judges it."""
