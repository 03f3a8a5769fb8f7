"""A deterministic simulation of the whole service: one seed, one thread, no real time and no real network."""
