"""A payment as one writes it with aiogram and asyncpg alone: four statements in a transaction each."""

import os
from datetime import UTC, datetime, timedelta

import asyncpg
from aiogram.types import Message

from bench.peers import aiogram_bot
from bench.stock import invoice_id

_PAYMENT = """
INSERT INTO payments (id, provider, charge_id, provider_charge_id, bot, user_id, amount, currency, method, payload,
                      charged_at, message, invoice_id, plan_code, status, received_at)
VALUES ($1, 'telegram', $2, '', 'main', $3, $4, $5, 'stars', $6, $7, '{}', $8, 'gold_1m', 'granted', $9)
ON CONFLICT DO NOTHING RETURNING id"""
_INVOICE = "UPDATE invoices SET settled_by = $1 WHERE id = $2 AND settled_by IS NULL"
_ENTITLEMENT = """
INSERT INTO entitlements (id, user_id, plan_code, features, limits, duration, granted_at, starts_at, expires_at,
                          payment_id)
VALUES ($1, $2, 'gold_1m', '["signals", "copy_trading"]', '{"max_devices": 3}', '1 month', $3, $3, $4, $5)
ON CONFLICT DO NOTHING"""
_LETTER = """
INSERT INTO outbox (bot, chat_id, language, kind, body, created_at, due_at, attempts)
VALUES ('main', $1, 'en', 'Confirmation', '{}', $2, $2, 0)"""


async def opened() -> aiogram_bot.Settle:
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=16, max_size=16)

    async def settle(message: Message) -> None:
        paid, buyer, now = message.successful_payment, message.chat.id, datetime.now(UTC)
        assert paid is not None
        charge, invoice = paid.telegram_payment_charge_id, invoice_id(buyer)
        facts = (buyer, paid.total_amount, paid.currency, paid.invoice_payload, message.date, invoice, now)
        async with pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_PAYMENT, f"pay_{charge}", charge, *facts):
                return
            await connection.execute(_INVOICE, charge, invoice)
            ends = now + timedelta(days=30)
            await connection.execute(_ENTITLEMENT, f"ent_{charge}", buyer, now, ends, f"pay_{charge}")
            await connection.execute(_LETTER, buyer, now)

    return settle


if __name__ == "__main__":
    aiogram_bot.run(opened)
