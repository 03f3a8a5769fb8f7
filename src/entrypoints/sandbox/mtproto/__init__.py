"""The sandbox's Telegram over MTProto 2.0: the same people, chats, payments and Stars, for bots that use Telethon.

Only Telethon's own descriptions of messages and its AES are used; https://core.telegram.org/mtproto tells the rest.
Imported only where this door is open, since Telethon is large.
"""
