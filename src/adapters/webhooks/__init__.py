"""Events pushed to other services, after the Standard Webhooks specification (https://www.standardwebhooks.com)."""
