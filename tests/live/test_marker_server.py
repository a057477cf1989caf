"""Markers over HTTP: what is taken, what is refused, and which time they get."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import InputError
from allostat.live.marker_server import marker_of
from tests.live.updates_of import START_NS

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"label": " go \xc3\xa4 "}', JSON),
        (b'{"label": " go \xc3\xa4 "}', "Application/JSON; charset=utf-8"),
        (b"label=go+%C3%A4", FORM),
    ],
)
def test_json_and_form_give_the_same_marker_at_its_arrival(body: bytes, kind: str) -> None:
    marker = marker_of(body, kind, START_NS)
    assert (marker.time_ns, marker.label, marker.source) == (START_NS, "go ä", "http")


def test_a_sender_that_knows_the_instant_better_may_say_it() -> None:
    body = json.dumps({"label": "flash", "time_ns": START_NS - 16_700_001}).encode()
    assert marker_of(body, JSON, START_NS).time_ns == START_NS - 16_700_001
    assert marker_of(f"label=flash&time_ns={START_NS - 5}".encode(), FORM, START_NS).time_ns == START_NS - 5
    assert marker_of(b'{"label": "flash", "age_ms": 12.5}', JSON, START_NS).time_ns == START_NS - 12_500_000


@pytest.mark.parametrize(
    ("body", "kind", "about"),
    [
        (b"{}", JSON, "label"),
        (b'{"label": "  "}', JSON, "label"),
        (b'{"label": 3}', JSON, "label is text"),
        (b'{"label": "a\\nb"}', JSON, "one line"),
        (b'{"label": "' + b"x" * 300 + b'"}', JSON, "too long"),
        (b"[1]", JSON, "object"),
        (b"{", JSON, "not JSON"),
        (b"\xff", JSON, "UTF-8"),
        (b'{"label": "a", "tiem_ns": 1}', JSON, "time_ns"),
        (b'{"label": "a", "time_ns": 1}', JSON, "too far"),
        (b'{"label": "a", "time_ns": 1.5}', JSON, "integer"),
        (b'{"label": "a", "time_ns": true}', JSON, "integer"),
        (b'{"label": "a", "time_ns": "%d"}' % (10**30), JSON, "too far"),
        (b'{"label": "a", "age_ms": -1}', JSON, "age"),
        (b'{"label": "a", "age_ms": NaN}', JSON, "age"),
        (b'{"label": "a", "age_ms": 1, "time_ns": 1}', JSON, "one time"),
        (b"label=a", "text/plain", "Content-Type"),
        (b"label=a", "", "Content-Type"),
        (b"&".join(b"a%d=1" % i for i in range(50)), FORM, "too many"),
    ],
)
def test_anything_else_is_refused_with_a_sentence(body: bytes, kind: str, about: str) -> None:
    with pytest.raises(InputError, match=about):
        marker_of(body, kind, START_NS)


@given(st.binary(max_size=200), st.sampled_from([JSON, FORM, "x"]))
@settings(max_examples=50, deadline=None)
def test_random_bytes_are_a_marker_or_an_input_error(body: bytes, kind: str) -> None:
    try:
        marker = marker_of(body, kind, START_NS)
    except InputError:
        return
    assert marker.label and marker.label.isprintable()
