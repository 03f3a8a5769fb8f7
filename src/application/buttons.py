"""What a press on one of our inline buttons asks for."""

from dataclasses import dataclass

from domain.catalog import Method
from domain.ids import InvoiceId, PlanCode


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowPlans:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMethods:
    plan_code: PlanCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Buy:
    plan_code: PlanCode
    method: Method


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    invoice_id: InvoiceId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPortal:
    pass


Action = ShowPlans | ShowMethods | Buy | Cancel | OpenPortal
