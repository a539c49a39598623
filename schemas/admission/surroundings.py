"""What a request is judged with besides its own text: all that a cluster, or a folder, would know."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ConfigMapLookup:
    """`data` None: there is none of that name; `looked_in` tells a person where it should have been.

    Files come as their bytes, for what is no text must be refused and not repaired.
    """

    data: Mapping[str, str | bytes] | None
    looked_in: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`secret_exists` None: nobody knows the secrets here, so they cannot be missed."""

    config_maps: Mapping[str, object] = field(default_factory=dict)
    find_config_map: Callable[[str, str], ConfigMapLookup] | None = None
    secret_exists: Callable[[str], bool] | None = None
    node_auto_provisioning: bool = True
    source_allow: Collection[str] = ()
