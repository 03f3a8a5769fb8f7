\set buyer random(:first, :last)
\set chance random(1, 1000000000000000)
BEGIN;
INSERT INTO payments (id, provider, charge_id, provider_charge_id, bot, user_id, amount, currency, method, payload, charged_at, message, invoice_id, plan_code, status, received_at) VALUES ('pay_' || :chance, 'telegram', 'charge-' || :chance, '', 'main', :buyer, 1250, 'XTR', 'stars', 'as signed', now(), '{}', 'inv_00000000000000000000' || (100000000000 + :buyer), 'gold_1m', 'granted', now()) ON CONFLICT DO NOTHING;
UPDATE invoices SET settled_by = 'charge-' || :chance WHERE id = 'inv_00000000000000000000' || (100000000000 + :buyer) AND settled_by IS NULL;
INSERT INTO entitlements (id, user_id, plan_code, features, limits, duration, granted_at, starts_at, expires_at, payment_id) VALUES ('ent_' || :chance, :buyer, 'gold_1m', '["signals", "copy_trading"]', '{"max_devices": 3}', '1 month', now(), now(), now() + interval '1 month', 'pay_' || :chance) ON CONFLICT DO NOTHING;
INSERT INTO outbox (bot, chat_id, language, kind, body, created_at, due_at, attempts) VALUES ('main', :buyer, 'en', 'Confirmation', '{}', now(), now(), 0);
COMMIT;
