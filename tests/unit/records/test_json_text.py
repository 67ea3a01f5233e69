"""JSON read strictly and written by RFC 8785, with the examples of that document."""

import json
import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridcompute import InvalidProblemError
from gridcompute.grid.files.json_text import canonical, number_text, parse

#: Appendix B of RFC 8785: the bits of a double, and its text.
NUMBERS = """
0000000000000000 0
8000000000000000 0
0000000000000001 5e-324
8000000000000001 -5e-324
7fefffffffffffff 1.7976931348623157e+308
ffefffffffffffff -1.7976931348623157e+308
4340000000000000 9007199254740992
c340000000000000 -9007199254740992
4430000000000000 295147905179352830000
44b52d02c7e14af5 9.999999999999997e+22
44b52d02c7e14af6 1e+23
44b52d02c7e14af7 1.0000000000000001e+23
444b1ae4d6e2ef4e 999999999999999700000
444b1ae4d6e2ef4f 999999999999999900000
444b1ae4d6e2ef50 1e+21
3eb0c6f7a0b5ed8c 9.999999999999997e-7
3eb0c6f7a0b5ed8d 0.000001
41b3de4355555553 333333333.3333332
41b3de4355555554 333333333.33333325
41b3de4355555555 333333333.3333333
41b3de4355555556 333333333.3333334
41b3de4355555557 333333333.33333343
becbf647612f3696 -0.0000033333333333333333
43143ff3c1cb0959 1424953923781206.2
"""


@pytest.mark.parametrize("row", NUMBERS.split("\n")[1:-1])
def test_numbers_are_spelt_as_the_standard_has_them(row):
    """If this fails, a hash computed by another program differs."""
    bits, text = row.split()
    (value,) = struct.unpack(">d", bytes.fromhex(bits))
    assert number_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_survives_its_text(value):
    """If this fails, a ledger read again is another ledger."""
    text = number_text(value)
    assert float(text) == value
    assert float(json.loads(text)) == value
    assert "E" not in text
    assert "e0" not in text
    assert not text.endswith(".0")


def test_keys_lie_in_the_order_of_their_utf_16_units():
    """The example of section 3.2.3: an emoji's surrogates come before U+FB33."""
    content = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\x80": 6, "\xf6": 7}
    order = list(json.loads(canonical(content)))
    assert order == ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]


def test_the_example_of_the_standard():
    """Section 3.2.2 of RFC 8785."""
    content = parse(
        b'{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],'
        b'"string": "\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/",'
        b'"literals": [null, true, false]}',
        "example",
    )
    assert canonical(content).decode() == (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 2**53 + 1, "\ud800", {"\udc00": 1}]
)
def test_what_has_no_canonical_text_is_an_error(value):
    """If this fails, two values share a hash, or a hash cannot be recomputed."""
    with pytest.raises(ValueError, match=r"JSON|2\*\*53|surrogates"):
        canonical({"x": value} if not isinstance(value, dict) else value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"a": 1, "a": 2}', "key 'a' twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "Infinity is no number"),
        (b"\xff\xfe{\x00}\x00", "found 0xff at byte 0, needed UTF-8"),
        ('{"a": "Ü"}'.encode("latin-1"), "found 0xdc at byte 7, needed UTF-8"),
        (b'{"a": "\\ud800"}', "unpaired surrogate"),
        (b"[" * 1_000_000, "nested too deep"),
        (b'{"a":' * 1_000_000, "nested too deep"),
        (b"1" * 5000, "digits"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
    ],
)
def test_what_is_no_json_is_named(data, words):
    """If this fails, Python's tolerance or its recursion limit decides what a file means."""
    with pytest.raises(InvalidProblemError, match=words) as caught:
        parse(data, "file.json")
    assert str(caught.value).startswith("file.json: ")
    assert len(str(caught.value)) < 300


def test_a_byte_order_mark_is_skipped():
    """Editors on Windows write one."""
    assert parse(b"\xef\xbb\xbf{}", "file.json") == {}
