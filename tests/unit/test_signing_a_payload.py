"""What travels through Telegram with an invoice comes back as we sent it, or is worth nothing."""

import base64
import hashlib
import hmac
import string
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import MAX_USER_ID, BotName, InvoiceId, PlanCode, UserId
from domain.invoice import Terms
from domain.money import EXPONENTS, MAX_AMOUNT, Money
from domain.payload import BadPayload, PayloadSigner
from domain.settlement import signed_terms
from tests.builders import ALICE, BOB, KEY, MAIN, OLD_KEY, SECOND, SECOND_BOT, SIGNER, invoice, stars, terms

TELEGRAM_S_LIMIT = 128

plan_codes = st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=40).map(PlanCode)
bots = st.text(string.ascii_lowercase + string.digits + "_", min_size=1, max_size=32).map(BotName)
any_terms = st.builds(
    Terms,
    invoice_id=st.binary(min_size=16, max_size=16).map(lambda raw: InvoiceId(f"inv_{raw.hex()}")),
    plan_code=plan_codes,
    issued_at=st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    ),
    payer=st.integers(1, MAX_USER_ID).map(UserId),
    price=st.builds(Money, amount=st.integers(1, MAX_AMOUNT), currency=st.sampled_from(sorted(EXPONENTS))),
)


@pytest.mark.criterion("2.2")
@given(terms=any_terms, bot=bots)
def test_what_was_signed_is_read_back_whole(terms: Terms, bot: BotName) -> None:
    assert SIGNER.verify(SIGNER.sign(terms, bot), bot) == terms


@given(terms=any_terms, bot=bots)
def test_every_payload_is_ascii_and_short_enough_for_telegram(terms: Terms, bot: BotName) -> None:
    assert len(SIGNER.sign(terms, bot).encode("ascii")) <= TELEGRAM_S_LIMIT


def test_the_longest_payload_is_short_enough_for_telegram() -> None:
    longest = Terms(
        invoice_id=InvoiceId(f"inv_{'f' * 32}"),
        plan_code=PlanCode("p" * 40),
        issued_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        payer=UserId(MAX_USER_ID),
        price=stars(MAX_AMOUNT),
    )

    written = SIGNER.sign(longest, BotName("b" * 32))

    assert len(written.encode("ascii")) == 118
    assert SIGNER.verify(written, BotName("b" * 32)) == longest


@pytest.mark.criterion("4.6")
@pytest.mark.threat(5)
@given(terms=any_terms, bit=st.integers(0, 118 * 8 - 1))
def test_a_payload_with_any_bit_flipped_is_bad(terms: Terms, bit: int) -> None:
    written = bytearray(SIGNER.sign(terms, MAIN), "ascii")
    written[bit // 8 % len(written)] ^= 1 << bit % 8

    with pytest.raises(BadPayload):
        SIGNER.verify(written.decode("latin-1"), MAIN)


@pytest.mark.threat(5)
def test_each_single_bit_of_a_payload_counts() -> None:
    genuine = SIGNER.sign(terms(), MAIN).encode("ascii")

    for bit in range(len(genuine) * 8):
        flipped = bytearray(genuine)
        flipped[bit // 8] ^= 1 << bit % 8
        assert signed_terms(SIGNER, flipped.decode("latin-1"), MAIN) is None


@pytest.mark.threat(5)
def test_a_payload_has_one_form_only_though_base64_has_spare_bits() -> None:
    genuine = SIGNER.sign(terms(), MAIN)
    letters = string.ascii_letters + string.digits + "-_"
    last_of_facts = genuine.rindex(".") - 1

    others = [genuine[:-1] + letter for letter in letters] + [
        genuine[:last_of_facts] + letter + genuine[last_of_facts + 1 :] for letter in letters
    ]

    assert {payload for payload in others if signed_terms(SIGNER, payload, MAIN)} == {genuine}


@pytest.mark.criterion("4.6")
@pytest.mark.threat(5)
@given(terms=any_terms, cut=st.integers(0, 117))
def test_a_payload_that_was_cut_short_is_bad(terms: Terms, cut: int) -> None:
    written = SIGNER.sign(terms, MAIN)

    with pytest.raises(BadPayload):
        SIGNER.verify(written[: cut % len(written)], MAIN)


@pytest.mark.criterion("4.6")
@pytest.mark.threat(5)
@given(payload=st.text())
def test_any_other_text_is_bad(payload: str) -> None:
    with pytest.raises(BadPayload):
        SIGNER.verify(payload, MAIN)


@pytest.mark.criterion("4.6")
@pytest.mark.threat(5)
@pytest.mark.parametrize(
    "payload",
    [
        pytest.param("", id="nothing"),
        pytest.param("gold_1m:7000000001", id="what a careless shop would write"),
        pytest.param("{}", id="JSON"),
        pytest.param("t1...", id="only dots"),
        pytest.param("\ud800", id="half a character"),
        pytest.param("\x00" * 118, id="zeros"),
        pytest.param("x" * 1_000_000, id="a million letters"),
        pytest.param(SIGNER.sign(terms(), MAIN) + "\n", id="a line break behind a genuine one"),
        pytest.param(" " + SIGNER.sign(terms(), MAIN), id="a space before a genuine one"),
        pytest.param(SIGNER.sign(terms(), MAIN) * 2, id="a genuine one twice"),
        pytest.param(SIGNER.sign(terms(), MAIN) + "==", id="a genuine one padded"),
        pytest.param(SIGNER.sign(terms(), MAIN).replace("t1.", "t2."), id="another version"),
        pytest.param(SIGNER.sign(terms(), MAIN).replace("gold_1m", "gold_1y"), id="another plan"),
        pytest.param(SIGNER.sign(terms(), MAIN).upper(), id="a genuine one shouted"),
    ],
)
def test_a_payload_is_bad_that_reads(payload: str) -> None:
    with pytest.raises(BadPayload):
        SIGNER.verify(payload, MAIN)


@pytest.mark.threat(5)
@given(terms=any_terms, bot=bots, other=bots)
def test_a_payload_of_one_bot_is_worth_nothing_at_another(terms: Terms, bot: BotName, other: BotName) -> None:
    written = SIGNER.sign(terms, bot)

    assert signed_terms(SIGNER, written, other) == (terms if bot == other else None)


@pytest.mark.threat(5)
def test_a_payload_can_be_taken_to_pieces_but_not_put_together_anew() -> None:
    mine, yours = SIGNER.sign(terms(), MAIN), SIGNER.sign(terms(payer=BOB), MAIN)
    plan, facts, mac = mine.removeprefix("t1.").split(".")
    other_facts, other_mac = yours.removeprefix("t1.").split(".")[1:]

    for spliced in (f"t1.{plan}.{other_facts}.{mac}", f"t1.{plan}.{facts}.{other_mac}"):
        with pytest.raises(BadPayload):
            SIGNER.verify(spliced, MAIN)


def test_a_signature_by_a_key_that_we_never_had_is_bad() -> None:
    forged = PayloadSigner(keys=[b"a key that somebody has made up!"]).sign(terms(), MAIN)

    with pytest.raises(BadPayload):
        SIGNER.verify(forged, MAIN)


def test_an_invoice_signed_by_the_old_key_is_good_as_long_as_that_key_is_listed() -> None:
    open_invoice = PayloadSigner(keys=[OLD_KEY]).sign(terms(), MAIN)

    assert PayloadSigner(keys=[KEY, OLD_KEY]).verify(open_invoice, MAIN) == terms()
    with pytest.raises(BadPayload):
        PayloadSigner(keys=[KEY]).verify(open_invoice, MAIN)


def test_the_first_key_signs() -> None:
    assert PayloadSigner(keys=[KEY, OLD_KEY]).sign(terms(), MAIN) == PayloadSigner(keys=[KEY]).sign(terms(), MAIN)


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([], id="no key"),
        pytest.param([b""], id="an empty key"),
        pytest.param([b"k" * 31], id="a byte short"),
        pytest.param([KEY, b"short"], id="a short one behind a good one"),
    ],
)
def test_no_signer_is_made_of(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="at least one signing key"):
        PayloadSigner(keys=keys)


def test_invoices_that_differ_in_anything_have_different_payloads() -> None:
    one = invoice()
    payloads = {
        SIGNER.sign(changed.terms, bot)
        for bot in (MAIN, SECOND_BOT)
        for changed in (
            one,
            replace(one, id=InvoiceId(f"inv_{2:032x}")),
            replace(one, payer=BOB),
            replace(one, issued_at=one.issued_at + SECOND),
            replace(one, offer=replace(one.offer, price=stars(1249))),
            replace(one, offer=replace(one.offer, plan_code=PlanCode("gold_1y"))),
        )
    }

    assert len(payloads) == 12


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(slice(21, 28), bytes(7), id="nobody as the payer"),
        pytest.param(slice(21, 28), (2**52).to_bytes(7), id="a user id of 53 bits"),
        pytest.param(slice(28, 35), bytes(7), id="no amount"),
        pytest.param(slice(28, 35), (2**53).to_bytes(7), id="an amount of 54 bits"),
        pytest.param(slice(35, 38), b"XXX", id="an unknown currency"),
        pytest.param(slice(35, 38), b"\xff\xff\xff", id="a currency of no letters"),
        pytest.param(slice(16, 21), b"\xff" * 5, id="a year that no calendar has"),
    ],
)
def test_nonsense_is_bad_even_where_it_bears_our_signature(place: slice, value: bytes) -> None:
    facts = bytearray(base64.urlsafe_b64decode(SIGNER.sign(terms(payer=ALICE), MAIN).split(".")[2] + "="))
    facts[place] = value
    signed = f"t1.gold_1m.{base64.urlsafe_b64encode(facts).rstrip(b'=').decode()}"
    mac = hmac.digest(KEY, f"{MAIN}\n{signed}".encode(), hashlib.sha256)[:16]

    with pytest.raises(BadPayload, match=r"signed|no user id"):
        SIGNER.verify(f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}", MAIN)
