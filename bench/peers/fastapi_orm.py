"""A check as one writes it with FastAPI and the ORM: a session for each request."""

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from sqlalchemy import or_, select

from bench.peers.models import Entitlement, sessions


def app() -> FastAPI:
    api, open_session = FastAPI(openapi_url=None), sessions()

    @api.get("/users/{user_id}/features/{feature}")
    async def check(user_id: int, feature: str) -> dict[str, Any]:
        now = datetime.now(UTC)
        held = select(Entitlement).where(
            Entitlement.user_id == user_id,
            Entitlement.revoked_at.is_(None),
            or_(Entitlement.expires_at.is_(None), Entitlement.expires_at > now),
        )
        async with open_session() as session:
            rows = [row for row in await session.scalars(held) if feature in row.features and row.starts_at <= now]
        found = max(rows, key=lambda row: row.expires_at or datetime.max.replace(tzinfo=UTC), default=None)
        return {
            "user_id": user_id,
            "feature": feature,
            "allowed": found is not None,
            "plan_code": found and found.plan_code,
            "expires_at": found and found.expires_at,
            "limits": found.limits if found else {},
        }

    return api
