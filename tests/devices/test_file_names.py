"""What file names tell and what they must not."""

from __future__ import annotations

import pytest

from allostat_devices.file_names import (
    has_device_id,
    has_email,
    participant_hint,
    recording_id,
    start_in_name,
    without_device_id,
)


@pytest.mark.parametrize(
    ("name", "participant"),
    [
        ("sub-007_ecg.csv", "sub-007"),
        ("P012.txt", "P012"),
        ("vp_3 rest.txt", "vp_3"),
        ("Participant-12_rr.txt", "Participant-12"),
        ("polar_h10.csv", None),
        ("H10_1234.csv", None),
        ("1635148245_A00204.zip", None),
        ("Polar_H10_9C3A21F7_ECG.txt", None),
        ("2017-06-29 13-11-53.txt", None),
        ("PPG.txt", None),
        ("P12345678.txt", None),
    ],
)
def test_only_a_safe_pattern_is_a_participant(name: str, participant: str | None) -> None:
    assert participant_hint(name) == participant


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Polar_H10_9C3A21F7_ECG.txt", "Polar_H10_device_ECG.txt"),
        ("Polar_Sense_12345678_PPG.txt", "Polar_Sense_device_PPG.txt"),
        ("1635148245_A00204.zip", "1635148245_device.zip"),
        ("log_02-00-00-00-00-0A.txt", "log_device.txt"),
    ],
)
def test_device_ids_are_hidden(name: str, shown: str) -> None:
    assert has_device_id(name)
    assert without_device_id(name) == shown
    assert "device" in recording_id(name, "x")


@pytest.mark.parametrize("name", ["polar_20210603_101112_RR.txt", "08012805.txt", "sub-007.csv", "deadbeef.txt"])
def test_dates_and_study_numbers_stay(name: str) -> None:
    assert not has_device_id(name)
    assert without_device_id(name) == name


def test_start_in_names() -> None:
    assert start_in_name("2017-06-29 13-11-53.txt") == 1_498_741_913 * 10**9
    assert start_in_name("rr_20210603_101112.txt") == 1_622_715_072 * 10**9
    assert start_in_name("2017-13-29 13-11-53.txt") is None
    assert start_in_name("12345678.txt") is None


def test_ids_hold_letters_digits_and_dashes_only() -> None:
    assert recording_id("2017-06-29 13-11-53.txt", "x") == "2017-06-29_13-11-53"
    assert recording_id("müller/äö.csv.gz", "x") == "x"
    assert recording_id("a b.csv.gz", "x") == "a_b"


def test_addresses_in_names_of_account_exports_are_hidden() -> None:
    name = "UploadedFiles/given.family+x@mail.example.org_123456789.fit"
    assert has_email(name) and not has_email("P012@rest") and not has_email("a_123.fit")
    assert without_device_id(name) == "UploadedFiles/person_123456789.fit"
    assert recording_id(name, "fit").startswith("person_")
