"""Canonical JSON and its hash, as `allostat.canonical` has them."""

from __future__ import annotations

from allostat.canonical import canonical_json as canonical_json
from allostat.canonical import sha256_of as sha256_of
