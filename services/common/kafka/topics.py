"""Create the topics of `schemas.topics` or check those that exist."""

import stamina
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from schemas.topics import TOPICS, Topic
from services.common.errors import StartError
from services.common.kafka.connection import client_options, unreachable
from services.common.settings import Settings


async def apply_topics(settings: Settings, *, replication: int = -1) -> dict[str, str]:
    """Create what is absent; give `created` or `exists` per topic; one that contradicts the table is a `StartError`.

    `replication` -1 takes the cluster's default.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
    except KafkaConnectionError as error:
        raise unreachable(settings, error) from error
    try:
        outcome = {topic.name: await _create(admin, topic, replication) for topic in TOPICS}
        counts = await _partition_counts(admin)
        await _check(admin, counts)
        return outcome
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topic: Topic, replication: int) -> str:
    # aiokafka takes "the cluster's default" (-1) only beside an assignment, which may be empty.
    assignments: dict[int, list[int]] | None = {} if replication == -1 else None
    new = NewTopic(topic.name, topic.partitions, replication, assignments, topic.settings())
    answer = await admin.create_topics([new])
    code = answer.topic_errors[0][1]
    if code == 0:
        return "created"
    error = for_code(code)
    if error is TopicAlreadyExistsError:
        return "exists"
    raise StartError(f"topic {topic.name} could not be created: {error.__name__}")


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    # A broker answers a create before every topic is in its metadata.
    async for attempt in stamina.retry_context(on=StartError, attempts=None, timeout=20, wait_initial=0.05):
        with attempt:
            described = await admin.describe_topics([topic.name for topic in TOPICS])
            counts = {item["topic"]: len(item["partitions"]) for item in described}
            absent = [name for name, count in counts.items() if count == 0]
            if absent:
                raise StartError(f"Kafka does not show the topics {', '.join(absent)} yet")
    return counts


async def _check(admin: AIOKafkaAdminClient, counts: dict[str, int]) -> None:
    problems = [*_partition_problems(counts), *await _policy_problems(admin)]
    if problems:
        raise StartError("; ".join(problems))


def _partition_problems(counts: dict[str, int]) -> list[str]:
    pipeline = {counts[topic.name] for topic in TOPICS if topic.types}
    if len(pipeline) > 1:
        return [f"the pipeline's topics must have the same number of partitions, found {counts}"]
    return []


async def _policy_problems(admin: AIOKafkaAdminClient) -> list[str]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in TOPICS]
    answers = await admin.describe_configs(resources)
    policies = {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}.get("cleanup.policy")
        for answer in answers
        for resource in answer.resources
    }
    return [
        f"topic {topic.name} must have cleanup.policy={topic.policy}, found {policies[topic.name]}"
        for topic in TOPICS
        if policies.get(topic.name) != topic.policy
    ]
