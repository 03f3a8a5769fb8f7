"""How fast it is, as ratios of one run: shared machines are noisy, and a bare number says nothing."""
