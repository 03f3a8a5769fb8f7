"""Who is who at Stripe."""

from sqlalchemy import Connection, bindparam, select

from adapters.sql import schema
from adapters.sql.bulk import insert_new
from application.ports.checkout import Customers
from domain.errors import Unavailable
from domain.ids import UserId

_TABLE = schema.stripe_customers
_OF = select(_TABLE.c.customer_id).where(_TABLE.c.user_id == bindparam("user"))


class SqlCustomers(Customers):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, user_id: UserId) -> str | None:
        return self._connection.execute(_OF, {"user": user_id}).scalar_one_or_none()

    def add(self, user_id: UserId, customer_id: str) -> str:
        insert_new(self._connection, _TABLE, [{"user_id": user_id, "customer_id": customer_id}])
        kept = self.of(user_id)
        if kept is None:
            raise Unavailable("Stripe's customer is another user's.")
        return kept
