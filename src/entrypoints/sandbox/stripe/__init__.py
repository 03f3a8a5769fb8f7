"""A Stripe of one's own: API, card page, and the delivery of events, on the loopback.

The facts are those of docs.stripe.com for the API version in `ids`; what is a guess is named in docs/sandbox.md.
"""
