"""A payment as one writes it with aiogram and SQLAlchemy's ORM: a session and a transaction each."""

from datetime import UTC, datetime, timedelta

from aiogram.types import Message
from sqlalchemy import select

from bench.peers import aiogram_bot
from bench.peers.models import Entitlement, Invoice, Letter, Payment, sessions
from bench.stock import invoice_id


async def opened() -> aiogram_bot.Settle:
    open_session = sessions()

    async def settle(message: Message) -> None:
        paid, buyer, now = message.successful_payment, message.chat.id, datetime.now(UTC)
        assert paid is not None
        charge = paid.telegram_payment_charge_id
        async with open_session() as session, session.begin():
            if await session.scalar(select(Payment.id).where(Payment.charge_id == charge)):
                return
            invoice = await session.get(Invoice, invoice_id(buyer), with_for_update=True)
            assert invoice is not None
            payment = Payment(
                id=f"pay_{charge}",
                provider="telegram",
                charge_id=charge,
                provider_charge_id="",
                bot="main",
                user_id=buyer,
                amount=paid.total_amount,
                currency=paid.currency,
                method="stars",
                payload=paid.invoice_payload,
                charged_at=message.date,
                message=b"{}",
                invoice_id=invoice.id,
                plan_code=invoice.plan_code,
                status="granted",
                received_at=now,
            )
            session.add(payment)
            invoice.settled_by = charge
            await session.flush()
            held = select(Entitlement).where(Entitlement.user_id == buyer, Entitlement.revoked_at.is_(None))
            ends = [row.expires_at for row in await session.scalars(held)]
            starts = max([now, *ends])
            entitlement = Entitlement(
                id=f"ent_{charge}",
                user_id=buyer,
                plan_code=invoice.plan_code,
                features=invoice.features,
                limits=invoice.limits,
                duration=invoice.duration,
                granted_at=now,
                starts_at=starts,
                expires_at=starts + timedelta(days=30),
                payment_id=payment.id,
            )
            letter = Letter(
                bot="main",
                chat_id=buyer,
                language="en",
                kind="Confirmation",
                body="{}",
                created_at=now,
                due_at=now,
                attempts=0,
            )
            session.add_all([entitlement, letter])

    return settle


if __name__ == "__main__":
    aiogram_bot.run(opened)
