"""Writers of real export formats: the files that apps and devices would have written of simulated persons.

Layouts are those of real exports. File times inside archives are fixed, so that the same arguments give the same bytes.
Each writer has a file of its own family and stands in `EXPORTS` under the name that `allostat simulate --as` takes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from allostat.simulate.exports import (
    apple,
    containers,
    cuffs,
    empatica,
    garmin,
    laboratory,
    polar,
    research_devices,
    rr_text,
    summaries,
    tables,
    waveforms,
    wfdb,
)
from allostat.simulate.exports.worn import Worn, simulate_worn

ExportWriter = Callable[[Worn, Path], Path]
"""Writes an export of what was worn into a folder and returns the file or folder that it wrote."""

EXPORTS: dict[str, ExportWriter] = {
    "apple": apple.write_apple_export,
    "apple-ecg": apple.write_apple_ecg_export,
    "bdf": waveforms.write_bdf_export,
    "beat-instants": rr_text.write_beat_instants_export,
    "bids-physio": tables.write_bids_physio_export,
    "biopac": research_devices.write_biopac_export,
    "edf": waveforms.write_edf_export,
    "edf-holes": waveforms.write_edf_with_holes_export,
    "elite-hrv": rr_text.write_elite_hrv_export,
    "embraceplus": empatica.write_embraceplus_export,
    "empatica-e4": empatica.write_e4_export,
    "faros": waveforms.write_faros_export,
    "fhir": laboratory.write_fhir_export,
    "fit-activity": garmin.write_fit_activity_export,
    "fit-wellness": garmin.write_fit_wellness_export,
    "fitbit": summaries.write_fitbit_export,
    "garmin-account": garmin.write_garmin_account_export,
    "garmin-connect": garmin.write_garmin_connect_export,
    "garmin-logger": garmin.write_garmin_logger_export,
    "google-health": summaries.write_google_health_export,
    "hexoskin": research_devices.write_hexoskin_export,
    "hl7": laboratory.write_hl7_export,
    "hrv-logger": rr_text.write_hrv_logger_export,
    "ishne": containers.write_ishne_export,
    "labfront": garmin.write_labfront_export,
    "movesense": research_devices.write_movesense_export,
    "omblepy": cuffs.write_omblepy_export,
    "omron": cuffs.write_omron_export,
    "opensignals": research_devices.write_open_signals_export,
    "oura": summaries.write_oura_export,
    "plain-rr": rr_text.write_plain_rr_export,
    "polar-ecg-logger": polar.write_polar_ecg_logger_export,
    "polar-flow": summaries.write_polar_flow_export,
    "polar-nightly-recovery": summaries.write_nightly_recovery_export,
    "polar-sensor-logger": polar.write_polar_sensor_logger_export,
    "polar-verity": polar.write_polar_verity_export,
    "polar-wrist-ecg": polar.write_polar_wrist_ecg_export,
    "r-peaks": tables.write_r_peaks_export,
    "samsung-health": summaries.write_samsung_export,
    "selfloops": rr_text.write_selfloops_export,
    "shimmer": research_devices.write_shimmer_export,
    "signal-table": tables.write_signal_table_export,
    "spacelabs": cuffs.write_spacelabs_export,
    "vns-analyse": rr_text.write_vns_analyse_export,
    "wfdb": wfdb.write_wfdb_export,
    "whoop": summaries.write_whoop_export,
    "withings": summaries.write_withings_export,
    "xdf": containers.write_xdf_export,
    "zephyr": research_devices.write_zephyr_export,
}

__all__ = ["EXPORTS", "ExportWriter", "Worn", "simulate_worn"]
