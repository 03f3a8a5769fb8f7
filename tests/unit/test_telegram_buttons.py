"""A button carries what it does and for whom, and nothing else is taken for a button of ours."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.telegram.buttons import decode, encode
from application.buttons import Action, Buy, Cancel, OpenPortal, ShowMethods, ShowPlans
from domain.catalog import Method
from domain.ids import MAX_USER_ID, InvoiceId, PlanCode, UserId

LONGEST_PLAN = PlanCode("p" * 40)
INVOICE = InvoiceId("inv_" + "0123456789abcdef" * 2)

plan_codes = st.from_regex(r"[a-z0-9_]{1,40}", fullmatch=True).map(PlanCode)
actions: st.SearchStrategy[Action] = (
    st.just(ShowPlans())
    | st.just(OpenPortal())
    | st.builds(ShowMethods, plan_code=plan_codes)
    | st.builds(Buy, plan_code=plan_codes, method=st.sampled_from(Method))
    | st.builds(Cancel, invoice_id=st.from_regex(r"inv_[0-9a-f]{32}", fullmatch=True).map(InvoiceId))
)


@given(actions, st.integers(1, MAX_USER_ID).map(UserId))
def test_what_is_written_on_a_button_is_read_back(action: Action, owner: UserId) -> None:
    assert decode(encode(action, owner)) == (action, owner)


@pytest.mark.parametrize(
    "action",
    [ShowPlans(), OpenPortal(), ShowMethods(plan_code=LONGEST_PLAN), Cancel(invoice_id=INVOICE)]
    + [Buy(plan_code=LONGEST_PLAN, method=method) for method in Method],
    ids=str,
)
def test_the_longest_of_each_fits_into_64_bytes(action: Action) -> None:
    assert len(encode(action, UserId(MAX_USER_ID)).encode()) <= 64


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="nothing"),
        pytest.param("p", id="nobody's"),
        pytest.param("p:0", id="user 0"),
        pytest.param("p:-1", id="negative user"),
        pytest.param("p:01", id="user with a leading zero"),
        pytest.param(f"p:{MAX_USER_ID + 1}", id="user beyond 52 bits"),
        pytest.param("p:99999999999999999999", id="user of 20 digits"),
        pytest.param("p:٣", id="other digits"),
        pytest.param("p:1 ", id="a space behind"),
        pytest.param("p:1\n", id="a line break behind"),
        pytest.param("p:1:gold", id="plans of a plan"),
        pytest.param("r:1:gold", id="receipts of a plan"),
        pytest.param("r", id="nobody's receipts"),
        pytest.param("P:1", id="capital letter"),
        pytest.param("m:1", id="methods of no plan"),
        pytest.param("m:1:", id="methods of an empty plan"),
        pytest.param("m:1:Gold", id="plan in capitals"),
        pytest.param("m:1:" + "p" * 41, id="plan code too long"),
        pytest.param("s:1:gold:2", id="one field too many"),
        pytest.param("z:1:gold", id="unknown action"),
        pytest.param("x:1", id="cancel nothing"),
        pytest.param("x:1:abc", id="invoice id too short"),
        pytest.param("x:1:" + "A" * 32, id="invoice id in capitals"),
        pytest.param("x:1:inv_" + "a" * 32, id="invoice id with its prefix"),
        pytest.param("s:1:gold'; drop table invoices", id="SQL"),
        pytest.param("\ud800", id="half a surrogate pair"),
    ],
)
@pytest.mark.threat(31)
def test_anything_else_is_none_of_ours(data: str) -> None:
    assert decode(data) is None


@given(st.text(max_size=70) | st.from_regex(r"[pmstcxrz]:[0-9]{1,17}(:[a-z0-9_]{0,41})?", fullmatch=True))
@example("s:4503599627370495:gold_1m")
def test_there_is_one_way_to_write_a_button(data: str) -> None:
    read = decode(data)
    assert read is None or encode(*read) == data
