"""Messages are read by many threads from the first moment on, and none of them may take the process down."""

import subprocess
import sys

import msgspec
import pytest

import adapters.stripe.ledger
import adapters.stripe.wire
import adapters.telegram.star_ledger
import adapters.telegram.wire
import entrypoints.intake
from entrypoints import shapes

MODULES = (
    adapters.stripe.ledger,
    adapters.stripe.wire,
    adapters.telegram.star_ledger,
    adapters.telegram.wire,
    entrypoints.intake,
)

FIRST_USE = """
import sys, threading, types, msgspec
from entrypoints import shapes

SOURCE = '''
import msgspec
class Inner(msgspec.Struct):
    x: "int | None" = None
    more: "list[Outer] | None" = None
class Outer(msgspec.Struct):
    inner: "Inner | None" = None
    some: "tuple[int, ...]" = ()
'''

sys.setswitchinterval(1e-6)
for number in range(100):
    module = types.ModuleType(f"adapters.planted_{number}")
    sys.modules[module.__name__] = module
    exec(SOURCE, module.__dict__)
    if READY:
        shapes.get_ready()
    start = threading.Barrier(6)
    def read():
        start.wait()
        msgspec.json.decode(b'{"inner":{"x":1,"more":[{"some":[1]}]}}', type=module.Outer)
    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""


def read_by_many(*, ready: bool) -> int:
    program = FIRST_USE.replace("READY", str(ready))
    return subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, timeout=100).returncode


def test_a_shape_that_was_made_ready_is_first_used_by_many_at_once() -> None:
    assert read_by_many(ready=True) == 0


def test_without_that_the_process_dies() -> None:
    """Once this fails, msgspec has mended it, and `entrypoints.shapes` may go."""
    assert any(read_by_many(ready=False) != 0 for _ in range(3))


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.__name__))
def test_every_shape_of_theirs_is_made_ready(module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(msgspec.json, "Decoder", made.append)
    shapes.get_ready()
    own = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, msgspec.Struct)]
    assert own
    assert {one for one in own if one is not msgspec.Struct} <= set(made)
