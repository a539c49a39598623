"""What the local stack is made of, pinned: module paths and versions of Go tools, coordinates of jars.

The files behind the jars' coordinates stand in `jars.lock` with their digests; `python -m deploy.native.lock_jars`
writes it. Go checks its modules against their checksum database. `seconds` was measured on 2 cores and only tells
people how long a build takes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class GoTool:
    """A command built from a module, and how long that takes."""

    package: str
    version: str
    seconds: int

    @property
    def label(self) -> str:
        """The version as people say it: a module without releases has a commit's date in its version."""
        date = re.fullmatch(r"v0\.0\.0-(\d{4})(\d\d)(\d\d)\d{6}-[0-9a-f]+", self.version)
        return "-".join(date.groups()) if date else self.version.removeprefix("v")


GO_TOOLS: Mapping[str, GoTool] = MappingProxyType(
    {
        "minio": GoTool("github.com/minio/minio", "v0.0.0-20260212201848-7aac2a2c5b7c", 270),
        "mc": GoTool("github.com/minio/mc", "v0.0.0-20250313080218-cf909e1063a9", 75),
        "registry": GoTool("github.com/distribution/distribution/v3/cmd/registry", "v3.1.2", 110),
        "crane": GoTool("github.com/google/go-containerregistry/cmd/crane", "v0.22.1", 10),
        "oras": GoTool("oras.land/oras/cmd/oras", "v1.3.6", 20),
        "toxiproxy": GoTool("github.com/Shopify/toxiproxy/v2/cmd/server", "v2.5.0", 10),
        "cosign": GoTool("github.com/sigstore/cosign/v3/cmd/cosign", "v3.1.3", 330),
        "oci-conformance": GoTool(
            "github.com/opencontainers/distribution-spec/conformance", "v0.0.0-20260831232431-97274622c111", 10
        ),
        "helm": GoTool("helm.sh/helm/v3/cmd/helm", "v3.22.0", 120),
    }
)

KAFKA = "4.4.0"
ZIPKIN = "3.5.1"

JARS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "kafka": (
            f"org.apache.kafka:kafka_2.13:{KAFKA}",
            # Kafka logs through slf4j 1.7 and brings log4j, but not what joins the two. It comes alone (`!`): its own
            # version table must not overrule Kafka's.
            "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5!",
        ),
        # The server in one jar, which has nothing beside it to resolve.
        "zipkin": (f"io.zipkin:zipkin-server:{ZIPKIN}:exec!",),
    }
)
