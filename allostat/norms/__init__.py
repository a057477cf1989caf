"""Norms by age and sex: where a person's heart rate variability lies among people measured in the same context.

A norm of 5 minutes at rest says nothing of a night, of a day or of a 10-second electrocardiogram: every norm and
every cut-off carries its context and refuses another.
"""

from __future__ import annotations

from allostat.norms.adjustment import RESIDUALS as RESIDUALS
from allostat.norms.adjustment import adjusted as adjusted
from allostat.norms.adjustment import with_residuals as with_residuals
from allostat.norms.cuts import ClinicalCut as ClinicalCut
from allostat.norms.cuts import CutVerdict as CutVerdict
from allostat.norms.cuts import clinical_cuts as clinical_cuts
from allostat.norms.cuts import judge as judge
from allostat.norms.norm import Norm as Norm
from allostat.norms.norm import NormCell as NormCell
from allostat.norms.norm import NormContextError as NormContextError
from allostat.norms.norm import log_moments as log_moments
from allostat.norms.position import Position as Position
from allostat.norms.position import position as position
from allostat.norms.position import position_of as position_of
from allostat.norms.position import positions as positions
from allostat.norms.shelf import COLUMNS as COLUMNS
from allostat.norms.shelf import load_norm as load_norm
from allostat.norms.shelf import norm_names as norm_names
