"""Simulated participants with known truth: beats, ECG, PPG, laboratory samples, export files and whole demo studies.

Everything is a function of its arguments and a seed; the same seed gives the same bytes.
"""

from allostat.simulate.artefacts import (
    CLEAN_ECG,
    CLEAN_PPG,
    ArtefactBeats,
    EcgNoise,
    PpgNoise,
    SimulatedSignal,
    add_beat_artefacts,
    add_ectopic_beats,
)
from allostat.simulate.ecg import render_ecg, simulate_ecg
from allostat.simulate.exports import EXPORTS, Worn, simulate_worn
from allostat.simulate.exports.empatica import write_e4_zip
from allostat.simulate.exports.polar import write_polar_ecg_logger, write_polar_sensor_logger
from allostat.simulate.exports.rr_text import write_elite_hrv, write_hrv_logger_rr, write_plain_rr, write_selfloops
from allostat.simulate.labs import LabRow, simulate_blood_pressure, simulate_cortisol, simulate_hs_crp
from allostat.simulate.measurement import (
    SPREAD,
    Repeats,
    Spread,
    measured_biomarkers,
    simulate_biomarker_table,
    standard_errors,
)
from allostat.simulate.physiology import (
    MOMENTS,
    SYSTEMS,
    SimulatedParticipant,
    simulate_participant,
    simulate_population,
)
from allostat.simulate.ppg import render_ppg, simulate_ppg
from allostat.simulate.rr import SimulatedRR, Sleep, simulate_rest, simulate_rr, sleep_schedule
from allostat.simulate.seeds import random_stream
from allostat.simulate.study import DemoTruth, demo_cohort, demo_repeats, write_demo_study

__all__ = [
    "CLEAN_ECG",
    "CLEAN_PPG",
    "EXPORTS",
    "MOMENTS",
    "SPREAD",
    "SYSTEMS",
    "ArtefactBeats",
    "DemoTruth",
    "EcgNoise",
    "LabRow",
    "PpgNoise",
    "Repeats",
    "SimulatedParticipant",
    "SimulatedRR",
    "SimulatedSignal",
    "Sleep",
    "Spread",
    "Worn",
    "add_beat_artefacts",
    "add_ectopic_beats",
    "demo_cohort",
    "demo_repeats",
    "measured_biomarkers",
    "random_stream",
    "render_ecg",
    "render_ppg",
    "simulate_biomarker_table",
    "simulate_blood_pressure",
    "simulate_cortisol",
    "simulate_ecg",
    "simulate_hs_crp",
    "simulate_participant",
    "simulate_population",
    "simulate_ppg",
    "simulate_rest",
    "simulate_rr",
    "simulate_worn",
    "sleep_schedule",
    "standard_errors",
    "write_demo_study",
    "write_e4_zip",
    "write_elite_hrv",
    "write_hrv_logger_rr",
    "write_plain_rr",
    "write_polar_ecg_logger",
    "write_polar_sensor_logger",
    "write_selfloops",
]
