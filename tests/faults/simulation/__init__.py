"""Whole runs of the gate in virtual time, played from one seed, with crashes at every step."""
