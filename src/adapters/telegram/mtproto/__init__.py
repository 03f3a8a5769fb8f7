"""Telegram's own protocol, by Telethon: calls of the Bot API go out as its requests, and its updates come in as the Bot
API's, so that all that knows the one knows the other. Imported only where this transport is on: Telethon is large."""
