"""How long we wait for Stripe, and how much we take from it."""

WHOLE_CALL_S = 4.0
"""Two calls one after the other (a customer, then a page) leave the user waiting for less than 10 s."""
CONNECT_TIMEOUT_S = 2.0
POOL_TIMEOUT_S = 1.0
LEAST_FOR_ANOTHER_TRY_S = 1.5
PAUSE_S = 0.2
CONNECTIONS = 20
IDLE_CONNECTION_S = 20.0
MAX_ANSWER_BYTES = 4 << 20
MOST_KEYS = 3
"""Idempotency keys tried, where Stripe remembers that it failed under the one before."""
MOST_LISTED = 100
"""Stripe's largest page."""
