"""A payment as one writes it with the standard library: four statements and a commit each, fully synced."""

import sqlite3
import time
from pathlib import Path

from bench.load import Measured
from bench.stock import Stock, invoice_id

_NOW = "strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now')"
_PAYMENT = f"""
INSERT INTO payments (id, provider, charge_id, provider_charge_id, bot, user_id, amount, currency, method, payload,
                      charged_at, message, invoice_id, plan_code, status, received_at)
VALUES (?, 'telegram', ?, '', 'main', ?, 1250, 'XTR', 'stars', 'as signed', {_NOW}, x'7b7d', ?, 'gold_1m', 'granted',
        {_NOW}) ON CONFLICT DO NOTHING"""
_INVOICE = "UPDATE invoices SET settled_by = ? WHERE id = ? AND settled_by IS NULL"
_ENTITLEMENT = f"""
INSERT INTO entitlements (id, user_id, plan_code, features, limits, duration, granted_at, starts_at, expires_at,
                          payment_id)
VALUES (?, ?, 'gold_1m', '["signals", "copy_trading"]', '{{"max_devices": 3}}', '1 month', {_NOW}, {_NOW},
        strftime('%Y-%m-%d %H:%M:%f000+00:00', 'now', '+1 month'), ?) ON CONFLICT DO NOTHING"""
_LETTER = f"""
INSERT INTO outbox (bot, chat_id, language, kind, body, created_at, due_at, attempts)
VALUES ('main', ?, 'en', 'Confirmation', '{{}}', {_NOW}, {_NOW}, 0)"""


def payments(stock: Stock, path: Path, count: int) -> Measured:
    """On a database like ours, with nobody else at it."""
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = FULL"):
        database.execute(f"PRAGMA {pragma}")
    buyers = stock.next_buyers(count)
    began = time.perf_counter()
    for buyer in buyers:
        charge = f"charge{buyer}"
        database.execute("BEGIN IMMEDIATE")
        database.execute(_PAYMENT, (f"pay_{charge}", charge, buyer, invoice_id(buyer)))
        database.execute(_INVOICE, (charge, invoice_id(buyer)))
        database.execute(_ENTITLEMENT, (f"ent_{charge}", buyer, f"pay_{charge}"))
        database.execute(_LETTER, (buyer,))
        database.execute("COMMIT")
    took = time.perf_counter() - began
    database.close()
    return Measured(count, took)
