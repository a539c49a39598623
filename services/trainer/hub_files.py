"""Which files of a model on a hub are needed, and how their bytes are known. Pure.

The hub names a file's sha256 where it is kept in LFS, and git's own hash of its content where it is not.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.common.base_models import INDEX, NEEDED, WEIGHTS

if TYPE_CHECKING:
    from hashlib import _Hash

SMALL = frozenset(
    {
        *NEEDED,
        INDEX,
        "generation_config.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.json",
        "merges.txt",
        "chat_template.jinja",
    }
)
MAX_SMALL_BYTES = 256 << 20
_WEIGHTS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class LfsPointer(_Answer):
    """What git keeps of a large file."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)


class HubFile(_Answer):
    """A file of a repository."""

    name: str = Field(alias="rfilename")
    size: int = Field(ge=0)
    blob_id: str = Field(pattern=r"^[0-9a-f]{40}$")
    lfs: LfsPointer | None = None

    @property
    def digest(self) -> str:
        """The hexadecimal hash that its bytes must have."""
        return self.lfs.sha256 if self.lfs else self.blob_id

    def begin_hash(self) -> "_Hash":
        """The hash before the first byte."""
        return hashlib.sha256() if self.lfs else hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)


class HubModel(_Answer):
    """The hub's answer about a repository at a revision; `sha` is the commit that the revision stands for."""

    sha: str = Field(pattern=r"^[0-9a-f]{40}$")
    siblings: list[HubFile]

    def small(self) -> list[HubFile]:
        """Config, tokenizer and the index of the weights."""
        return [file for file in self.siblings if file.name in SMALL and file.size <= MAX_SMALL_BYTES]

    def check(self) -> None:
        """Raise ValueError when the names tell that it cannot be used."""
        names = {file.name for file in self.siblings}
        lacking = [name for name in NEEDED if name not in names]
        if not names & {WEIGHTS, INDEX}:
            lacking.append(f"{WEIGHTS} (other formats are not loaded)")
        if lacking:
            raise ValueError(f"it has no {', no '.join(lacking)}")

    def named(self, names: Sequence[str]) -> list[HubFile]:
        """The weights with these names; raises ValueError for a name that is none of them."""
        known = {file.name: file for file in self.siblings if _WEIGHTS.fullmatch(file.name)}
        strange = [name for name in names if name not in known]
        if strange:
            raise ValueError(f"its index of weights names {strange[0][:100]!r}, which is no safetensors file of it")
        return [known[name] for name in names]
