"""Everything the core needs from outside, in its own words.

The ports of the hot path take several at once: one bulk read, plain decisions, one bulk write, one commit.
"""
