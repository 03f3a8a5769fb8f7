"""Telegram as the outside world: its updates, its Bot API, its words."""
