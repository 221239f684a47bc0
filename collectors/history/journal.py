"""The journal's front door: where it is, append a run, read runs, take one figure over time."""

from collectors.history.appending import Place, Written, append
from collectors.history.reading import read, sample
from collectors.history.record import Journal
from collectors.history.series import keys, series
from collectors.system.folders import Folder

__all__ = ["Folder", "Journal", "Place", "Written", "append", "keys", "read", "sample", "series"]
