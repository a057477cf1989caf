"""What a study of thousands costs: participants an hour, memory, bytes, and a model that tells of larger ones.

    python -m benchmarks scale
    python -m benchmarks scale --small
    python -m benchmarks scale --folder kept --phase rr --phase model --participants 200

Phases, each stored in the folder as soon as it is done, so that a later call with the same folder goes on:

make      simulated studies: RR of a day for each participant, ECG of a day at 130 Hz for others; not counted
rr, ecg   ``allostat run`` on them with one worker and with two, in turns
days      participants with recordings of several lengths, so that a day's cost is told from a participant's
collate   the files of a whole cohort, rebuilt from the files of its participants, for cohorts of several sizes
open      the tables of that cohort opened, and one participant of the first study
long      a fourteen-day ECG at 250 Hz through reading and storing, and through ``allostat run``: the most memory
model     the cost of a participant and of each day, fitted to what was measured, and what a larger study would take

How it is measured. The seconds of ``work`` are CPU seconds of a worker from the start of a participant's first stage
to the end of its last one, as ``log.jsonl`` has them. The runner's overhead is what the whole tree of processes took
beyond them, beside the same from the wall clock: wall time between the first and the last task times workers, less the
wall time of the tasks. Neighbours on the machine disturb wall times, so each run tells how many cores they took.
"""

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and store."""
    from benchmarks.scale.command import main as command

    return command(arguments)
