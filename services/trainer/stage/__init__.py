"""Staging: the dataset's bytes, from wherever they are, into the object store."""

from services.trainer.stage.files import StagedDataset, StoredFile
from services.trainer.stage.stage import stage

__all__ = ["StagedDataset", "StoredFile", "stage"]
