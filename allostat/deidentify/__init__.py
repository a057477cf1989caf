"""De-identification of a study: keyed pseudonyms, dates moved by whole weeks, texts and file names left behind."""

from allostat.deidentify.key import StudyKey, make_key, read_key
from allostat.deidentify.write import Deidentified, deidentify

__all__ = ["Deidentified", "StudyKey", "deidentify", "make_key", "read_key"]
