"""A Stripe of one's own: API, card page, and the delivery of events, on the loopback.

The facts are those of docs.stripe.com for the API version in `ids`; where it says nothing, docs/sandbox.md says what is a guess.
"""
