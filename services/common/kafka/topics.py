"""Create the topics of `schemas.topics` or check those that exist."""

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
        await _check(admin)
        return outcome
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topic: Topic, replication: int) -> str:
    new = NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.settings())
    answer = await admin.create_topics([new])
    code = answer.topic_errors[0][1]
    if code == 0:
        return "created"
    error = for_code(code)
    if error is TopicAlreadyExistsError:
        return "exists"
    raise StartError(f"topic {topic.name} could not be created: {error.__name__}")


async def _check(admin: AIOKafkaAdminClient) -> None:
    problems = [*await _partition_problems(admin), *await _policy_problems(admin)]
    if problems:
        raise StartError("; ".join(problems))


async def _partition_problems(admin: AIOKafkaAdminClient) -> list[str]:
    described = await admin.describe_topics([topic.name for topic in TOPICS])
    counts = {item["topic"]: len(item["partitions"]) for item in described}
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
