"""Stripe: its page to pay on, what it reports, and how we know that it was Stripe."""
