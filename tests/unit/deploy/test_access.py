"""The table of rights, against what the design promises."""

from deploy.local.access import SERVICES, TOPIC_RIGHTS, TOPICS, Operation


def rights(service: str, operation: Operation) -> set[str]:
    return {right.topic + "*" * right.prefix for right in TOPIC_RIGHTS if right.service == service and right.operation is operation}


class TestTopicRights:
    def test_let_only_the_collector_read_intake_and_write_notices(self):
        assert rights("collector", Operation.READ) == {"intake.*"}
        assert [right.service for right in TOPIC_RIGHTS if right.topic in ("intake.", "provider.notices.")] == ["collector", "collector"]

    def test_let_nobody_write_intake(self):
        assert not [right for right in TOPIC_RIGHTS if right.operation is Operation.WRITE and right.topic.startswith("intake")]

    def test_follow_the_path_from_submission_to_report(self):
        assert rights("scoring", Operation.READ) == {"bureau.account-revised.v1"} <= rights("collector", Operation.WRITE)
        assert rights("reports", Operation.READ) == {"bureau.assessment-made.v1"} == rights("scoring", Operation.WRITE)
        assert rights("gateway", Operation.READ) == {"bureau.report-revised.v1"} <= rights("reports", Operation.WRITE)
        assert rights("gateway", Operation.WRITE) == set()

    def test_give_each_topic_one_writer(self):
        for topic in TOPICS:
            assert [right.service for right in TOPIC_RIGHTS if (right.topic, right.operation) == (topic.name, Operation.WRITE)] == [
                topic.owner
            ]
            assert topic.owner in SERVICES


class TestTopics:
    def test_are_partitioned_alike_and_keep_records_for_a_declared_time(self):
        assert {topic.partitions for topic in TOPICS} == {12}
        assert all(topic.retention_ms > 0 for topic in TOPICS)

    def test_lie_outside_what_providers_may_name(self):
        assert not [topic for topic in TOPICS if topic.name.startswith(("intake.", "provider."))]
