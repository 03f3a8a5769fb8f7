"""A Telegram of one's own: the Bot API, and a chat page, on the loopback.

It plays the other side, so it imports nothing of the service: what is wrong there must not be wrong here too.
"""
