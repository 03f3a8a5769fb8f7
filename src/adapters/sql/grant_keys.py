"""Which key of whose stands for which grant by hand."""

from datetime import datetime
from hashlib import blake2b

from sqlalchemy import Connection, bindparam, select

from adapters.sql import schema
from adapters.sql.bulk import insert_telling
from adapters.sql.column_types import escaped
from application.ports.entitlements import GrantKey, GrantKeys
from domain.ids import EntitlementId

_TABLE = schema.grant_keys
_KEPT = select(_TABLE).where(_TABLE.c.id == bindparam("of"))


class SqlGrantKeys(GrantKeys):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, new: GrantKey, now: datetime) -> GrantKey:
        row = {
            "id": _place(new),
            "caller": new.caller,
            "key": new.key,
            "fingerprint": new.fingerprint,
            "entitlement_id": new.entitlement_id,
            "created_at": now,
        }
        if insert_telling(self._connection, _TABLE, [row], _TABLE.c.id):
            return new
        kept = self._connection.execute(_KEPT, {"of": row["id"]}).one()
        return GrantKey(
            caller=kept.caller,
            key=kept.key,
            fingerprint=kept.fingerprint,
            entitlement_id=EntitlementId(kept.entitlement_id),
        )


def _place(taken: GrantKey) -> str:
    """Callers name themselves, and a name may be longer than an index takes."""
    return blake2b("\0".join(map(escaped, (taken.caller, taken.key))).encode(), digest_size=32).hexdigest()
