"""How many connections there are, and how long is waited, on either database."""

from typing import Final

POOL_SIZE: Final = 12
POOL_TIMEOUT_S: Final = 3.0
LOCK_TIMEOUT_S: Final = 3.0

LOOKS: Final = "tollgram_looks"
"""The execution option of connections that only read."""
