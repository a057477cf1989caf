"""What may stand in a store file: arrays, attributes and names of Python turned into stored ones and back.

Stored are integers, float32, float64 and UTF-8 characters. No bool, object, complex, float16 or date dtype: bool
becomes int8 with ``dtype = "bool"`` (as xarray writes it), text becomes characters with ``_Encoding = "utf-8"``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from allostat.errors import StoreError
from allostat.samples import SpooledSamples
from allostat.store.tree import NAME, Attribute, Variable

STRLEN = "_strlen"
"""A text variable ``x`` has the last dimension ``x_strlen``."""

RESERVED_ATTRIBUTES = frozenset(
    {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties",
     "_nc3_strict", "_Encoding", "content_sha256", "coordinates", NAME}
)  # fmt: skip
"""Attributes that the file format itself, or this store, sets."""

UTC_UNITS = "nanoseconds since 1970-01-01"
"""CF unit under which instants of the epoch ``utc`` are stored; in memory their unit is ``ns``."""

_NAME = re.compile(r"[A-Za-z0-9_][^/\x00-\x1f\x7f]*(?<! )")
_STORED_KINDS = "int8 to int64, uint8 to uint64, float32, float64, bool or text"


def check_name(name: object, where: str) -> str:
    """A name of a variable, dimension or attribute that netCDF accepts; `StoreError` otherwise."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise StoreError(
            "name cannot be stored",
            where=where,
            found=name,
            expected="text that begins with a letter, digit or _ and holds no / or control character",
        )
    return name


def group_name(name: str, where: str) -> str:
    """Name of the group that holds something called ``name``: all but letters, digits and ``_ . - ~`` as ``%XX``."""
    quoted = quote(name, safe="")
    return check_name(quoted if quoted[:1] not in tuple(".-~%") else f"_{quoted}", where)


def encode_variable(name: str, dims: Sequence[str], data: object, attrs: Mapping[str, Any], where: str) -> Variable:
    """A variable as it is stored.

    Raises
    ------
    StoreError
        When its dtype, an attribute or a name cannot be stored.
    """
    here = f"{where.rstrip('/')}/{check_name(name, where)}"
    stored_dims = tuple(check_name(dim, here) for dim in dims)
    if len(set(stored_dims)) != len(stored_dims):
        raise StoreError("variable has one dimension twice", where=here, found=stored_dims)
    if isinstance(data, SpooledSamples):
        return Variable(stored_dims, data, encode_attributes(attrs, here))
    values = np.asarray(data)
    extra: dict[str, Attribute] = {}
    if values.dtype.kind in "UOT":
        values, stored_dims = _characters(values, here), (*stored_dims, name + STRLEN)
        extra["_Encoding"] = "utf-8"
    elif values.dtype.kind == "b":
        values = values.astype(np.int8)
        extra["dtype"] = "bool"
    encoded = encode_attributes(attrs, here)
    if encoded.get("units") == "ns" and encoded.get("epoch") == "utc" and values.dtype.kind == "i":
        encoded |= {"units": UTC_UNITS, "calendar": "proleptic_gregorian"}
    return Variable(stored_dims, stored_array(values, here), encoded | extra)


def decode_variable(variable: Variable) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
    """Dimensions, array and attributes as they were given to `encode_variable`."""
    dims, data = variable.dims, np.asarray(variable.data)
    attrs = decode_attributes(variable.attrs)
    if attrs.pop("_Encoding", None) is not None:
        dims, data = dims[:-1], _text(data)
    elif attrs.get("dtype") == "bool":
        attrs.pop("dtype")
        data = data.astype(bool)
    if attrs.get("units") == UTC_UNITS and attrs.get("epoch") == "utc":
        attrs["units"] = "ns"
        attrs.pop("calendar", None)
    return dims, data, attrs


def stored_array(values: NDArray[Any], where: str) -> NDArray[Any]:
    """The array in native, contiguous form; `StoreError` when its dtype is not one that every reader opens."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if not (kind in "iu" or (kind == "f" and size in (4, 8)) or values.dtype == "S1"):
        hint = "int64 ns with the attributes units and epoch" if kind in "mM" else _STORED_KINDS
        raise StoreError("dtype cannot be stored", where=where, found=values.dtype, expected=hint)
    # '<' also on big-endian machines: the same content gives the same bytes everywhere.
    return np.require(values, values.dtype.newbyteorder("<"), "C")


def encode_attributes(attrs: Mapping[Any, Any], where: str) -> dict[str, Attribute]:
    """Attributes as they are stored."""
    stored: dict[str, Attribute] = {}
    for name, value in attrs.items():
        here = f"{where}, attribute {name}"
        if name in RESERVED_ATTRIBUTES:
            raise StoreError("attribute name is reserved for the file format", where=where, found=name)
        stored[check_name(name, here)] = _encode_attribute(value, here)
    return stored


def decode_attributes(attrs: Mapping[str, Attribute]) -> dict[str, Any]:
    """Attributes as Python values: text, list of text, int, float or array."""
    return {name: _decode_attribute(value) for name, value in attrs.items()}


def _encode_attribute(value: object, where: str) -> Attribute:
    if isinstance(value, str):
        return check_text(str(value), where)
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, str) for v in value):
        return tuple(check_text(str(v), where) for v in value)
    array = np.asarray(value) if isinstance(value, (bool, int, float, np.generic, np.ndarray, list, tuple)) else None
    if isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.ndim == 1 and value.size:
        return tuple(check_text(str(v), where) for v in value)
    if array is not None and array.dtype.kind == "b":
        array = array.astype(np.int8)
    if array is None or array.ndim > 1 or array.dtype.kind not in "iuf" or not array.size:
        raise StoreError(
            "attribute cannot be stored",
            where=where,
            found=f"{type(value).__name__} {value!r}"[:80],
            expected="text, a number, or a list of one of them that is not empty",
        )
    return stored_array(array, where)


def _decode_attribute(value: Attribute) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, str) or value.ndim:
        return value
    return value.item() if value.dtype in (np.dtype("<i8"), np.dtype("<f8")) else value[()]


def check_text(text: str, where: str) -> str:
    """The text itself; `StoreError` when it holds NUL (the format's padding) or is not Unicode."""
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text if c > "\ud7ff"):
        raise StoreError("text holds NUL or a lone surrogate", where=where, found=ascii(text[:40]))
    return text


def _characters(values: NDArray[Any], where: str) -> NDArray[Any]:
    flat = values.ravel().tolist()
    if not all(isinstance(v, str) for v in flat):
        odd = next(v for v in flat if not isinstance(v, str))
        raise StoreError("dtype cannot be stored", where=where, found=f"object holding {type(odd).__name__}",
                         expected=_STORED_KINDS)  # fmt: skip
    raw = [check_text(v, where).encode() for v in flat]
    width = max((len(r) for r in raw), default=0) or 1
    return np.array(raw, dtype=f"S{width}").view("S1").reshape((*values.shape, width))


def _text(characters: NDArray[Any]) -> NDArray[Any]:
    shape, width = characters.shape[:-1], characters.shape[-1]
    raw = np.ascontiguousarray(characters).view(f"S{width}").reshape(-1)
    text = [bytes(r).decode() for r in raw]
    return np.array(text, dtype=np.str_).reshape(shape) if text else np.empty(shape, dtype="<U1")


def encode_json(value: object, where: str) -> str:
    """Canonical JSON: sorted keys, no blanks; dataclasses as objects, NumPy scalars and arrays as numbers and lists.

    Raises
    ------
    StoreError
        When something in it is not JSON, a number is not finite, or a key is not text.
    """
    try:
        return check_text(
            json.dumps(_plain(value, where), sort_keys=True, ensure_ascii=False, allow_nan=False,
                       separators=(",", ":")), where,
        )  # fmt: skip
    except ValueError as error:
        raise StoreError(f"cannot be written as JSON ({error})", where=where) from error


def decode_json(text: object, where: str) -> Any:
    """What `encode_json` wrote."""
    try:
        return json.loads(str(text))
    except ValueError as error:
        raise StoreError(f"is not JSON ({error})", where=where) from error


def _plain(value: object, where: str) -> object:
    match value:
        case Mapping():
            for key in value:
                if not isinstance(key, str):
                    raise StoreError("key is not text", where=where, found=key)
            return {str(k): _plain(v, f"{where}.{k}") for k, v in value.items()}
        case list() | tuple():
            return [_plain(v, where) for v in value]
        case np.ndarray():
            return _plain(value.tolist(), where)
        case np.generic():
            return _plain(value.item(), where)
        case None | bool() | int() | float() | str():
            return value
    if is_dataclass(value) and not isinstance(value, type):
        # Not dataclasses.asdict: it copies deeply, and the read-only mappings of waist 1 cannot be copied.
        return {f.name: _plain(getattr(value, f.name), f"{where}.{f.name}") for f in fields(value)}
    raise StoreError("cannot be written as JSON", where=where, found=type(value).__name__)
