"""A Telegram and a Stripe of one's own: their APIs, a chat page and a card page, on the loopback.

It plays the other sides, so it imports nothing of the service: what is wrong there must not be wrong here too.
"""
