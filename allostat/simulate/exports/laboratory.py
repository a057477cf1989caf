"""Writers of laboratory messages: a FHIR bundle and an HL7 version 2 message of one person."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from allostat.simulate.exports.worn import Worn
from allostat.simulate.labs import LabRow

CODES = {("hs_crp", "serum"): "30522-7", ("cortisol", "saliva"): "51844-9", ("cortisol", "serum"): "14675-3"}
LABELS = {"hs_crp": "C reactive protein high sensitivity", "cortisol": "Cortisol"}
UNITS = {"mmHg": "mm[Hg]"}


def write_fhir_export(worn: Worn, folder: Path) -> Path:
    """FHIR R4 bundle: laboratory observations with their specimens, cuff readings as panels."""
    entries: list[dict[str, Any]] = [
        {
            "resource": {
                "resourceType": "Patient",
                "id": worn.person.id,
                "name": [{"family": "Canary", "given": ["Test"]}],
            }
        }
    ]
    for number, row in enumerate(worn.laboratory(), 1):
        entries += [{"resource": r} for r in _observation(row, number)]
    pairs = worn.blood_pressure()
    for number, (sbp, dbp) in enumerate(zip(pairs[::2], pairs[1::2], strict=True), 1):
        entries.append({"resource": _panel(sbp, dbp, number)})
    path = folder / f"{worn.person.id}_labs.json"
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    path.write_text(json.dumps(bundle, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def _observation(row: LabRow, number: int) -> list[dict[str, Any]]:
    below = row.value.startswith("<")
    return [
        {
            "resourceType": "Specimen",
            "id": f"specimen-{number}",
            "type": {"text": row.specimen},
            "collection": {"collectedDateTime": row.collected_at.isoformat()},
        },
        {
            "resourceType": "Observation",
            "id": f"lab-{number}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": CODES[row.analyte, row.specimen],
                                 "display": LABELS[row.analyte]}]},
            "subject": {"reference": f"Patient/{row.participant_id}", "display": "Test Canary"},
            "specimen": {"reference": f"Specimen/specimen-{number}"},
            "issued": (row.collected_at + timedelta(days=2)).isoformat(),
            "valueQuantity": {
                "value": float(row.value.lstrip("<")),
                "unit": row.unit,
                "system": "http://unitsofmeasure.org",
                "code": UNITS.get(row.unit, row.unit),
            }
            | ({"comparator": "<"} if below else {}),
        },
    ]  # fmt: skip


def _panel(sbp: LabRow, dbp: LabRow, number: int) -> dict[str, Any]:
    def component(code: str, value: str) -> dict[str, Any]:
        return {
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {
                "value": float(value),
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        }

    return {
        "resourceType": "Observation",
        "id": f"pressure-{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": f"Patient/{sbp.participant_id}"},
        "effectiveDateTime": sbp.collected_at.isoformat(),
        "component": [component("8480-6", sbp.value), component("8462-4", dbp.value)],
    }


def write_hl7_export(worn: Worn, folder: Path) -> Path:
    """HL7 version 2.5 results, one order for each sample."""
    made = _stamp(datetime.fromtimestamp(worn.start_ns / 1e9, worn.laboratory()[0].collected_at.tzinfo))
    lines = [
        f"MSH|^~\\&|LAB|SITE|STUDY|SITE|{made}||ORU^R01|1|P|2.5",
        f"PID|1||{worn.person.id}^^^STUDY||Canary^Test||19700101|F",
    ]
    for number, row in enumerate(worn.laboratory(), 1):
        value = f"SN|{CODES[row.analyte, row.specimen]}^{LABELS[row.analyte]}^LN||<^{row.value[1:]}"
        if not row.value.startswith("<"):
            value = f"NM|{CODES[row.analyte, row.specimen]}^{LABELS[row.analyte]}^LN||{row.value}"
        lines += [
            f"OBR|{number}|||PANEL^Panel|||{_stamp(row.collected_at)}",
            f"SPM|1|||{row.specimen}^{row.specimen}",
            f"OBX|1|{value}|{row.unit}|||||F",
        ]
    path = folder / f"{worn.person.id}_labs.hl7"
    path.write_bytes(("\r".join(lines) + "\r").encode())
    return path


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z")
