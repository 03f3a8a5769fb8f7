"""The same tables, for SQLAlchemy's ORM over asyncpg."""

import os

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from adapters.sql import schema


class Base(DeclarativeBase):
    metadata = schema.metadata


class Payment(Base):
    __table__ = schema.payments


class Invoice(Base):
    __table__ = schema.invoices


class Entitlement(Base):
    __table__ = schema.entitlements


class Letter(Base):
    __table__ = schema.outbox


def sessions() -> async_sessionmaker[AsyncSession]:
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    return async_sessionmaker(create_async_engine(url, pool_size=16, max_overflow=0), expire_on_commit=False)
