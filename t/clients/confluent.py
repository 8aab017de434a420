"""confluent-kafka (librdkafka) against the broker at $BOOTSTRAP."""
import threading
import time

import tap
from confluent_kafka import (
    OFFSET_BEGINNING, TIMESTAMP_CREATE_TIME, Consumer, ConsumerGroupTopicPartitions,
    IsolationLevel, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition)
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions,
    NewTopic, OffsetSpec)
from tap import behaviour, same, until

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
admin = AdminClient({"bootstrap.servers": tap.BOOTSTRAP})


# ---- what tests share

def results(futures):
    return {key: future.result(60) for key, future in futures.items()}


def topic(what, partitions=1, **config):
    name = tap.name(what)
    results(admin.create_topics(
        [NewTopic(name, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})]))
    return name


def produce(name, records, **options):
    """records: dicts for Producer.produce; returns the delivered messages in order."""
    delivered = []
    producer = Producer({"bootstrap.servers": tap.BOOTSTRAP, "linger.ms": 5,
                         **{k.replace("_", "."): v for k, v in options.items()}})

    def report(error, message):
        if error is not None:
            raise KafkaException(error)
        delivered.append(message)

    for record in records:
        while True:
            try:
                producer.produce(name, on_delivery=report, **record)
                break
            except BufferError:
                producer.poll(0.1)
    same(producer.flush(60), 0, "records not delivered")
    return delivered


def consumer(group=None, **options):
    return Consumer({
        "bootstrap.servers": tap.BOOTSTRAP, "group.id": group or tap.name("group"),
        "auto.offset.reset": "earliest", "enable.auto.commit": False, "check.crcs": True,
        "fetch.wait.max.ms": 50, "heartbeat.interval.ms": 200, "session.timeout.ms": 6000,
        **{k.replace("_", "."): v for k, v in options.items()}})


def take(from_, count, seconds=60):
    """The next `count` messages."""
    got = []

    def more():
        for message in from_.consume(count - len(got), timeout=0.5):
            if message.error():
                raise KafkaException(message.error())
            got.append(message)
        return len(got) >= count

    until(more, f"{count} messages", seconds)
    return got


def read(name, count, partition=0, offset=OFFSET_BEGINNING, **options):
    from_ = consumer(**options)
    from_.assign([TopicPartition(name, partition, offset)])
    got = take(from_, count)
    from_.close()
    return got


def description(name, **options):
    """Of a topic that was just created: Kafka may not know it for a moment."""
    def described():
        try:
            return admin.describe_topics(TopicCollection([name]), **options)[name].result(30)
        except KafkaException as error:
            same(error.args[0].code(), KafkaError.UNKNOWN_TOPIC_OR_PART, "error")
    return until(described, f"{name} is there")


def error_of(call):
    """The code with which a call or one of its futures fails."""
    try:
        for future in call().values():
            future.result(60)
    except KafkaException as error:
        return error.args[0].code()
    return KafkaError.NO_ERROR


# ---- records

for codec in CODECS:
    @behaviour(f"{codec}: keys, values, nulls, headers and timestamps come back as they were")
    def _(codec=codec):
        records = []
        for i in range(2000):
            records.append(dict(
                key=None if i % 3 == 0 else b"" if i % 3 == 1 else b"key %d" % i,
                value=None if i % 5 == 0 else b"" if i % 5 == 1 else b"value %d " % i + b"x" * 100,
                headers=None if i % 7 == 0 else [("h", b"1"), ("h", None), ("\u00fc", b""), ("i", b"%d" % i)],
                timestamp=1700000000000 + i))
        name = topic(f"records-{codec}")
        sent = produce(name, [dict(r, partition=0) for r in records], **{"compression.type": codec})
        same([m.offset() for m in sent], list(range(2000)), "offsets of the delivery reports")
        for message, record in zip(read(name, 2000), records):
            same(message.key(), record["key"], "key")
            same(message.value(), record["value"], "value")
            same(message.headers(), record["headers"], "headers")
            same(message.timestamp(), (TIMESTAMP_CREATE_TIME, record["timestamp"]), "timestamp")


@behaviour("LogAppendTime: the broker's time instead of the producer's")
def _():
    name = topic("appendtime", message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    produce(name, [dict(value=b"v", timestamp=1000) for _ in range(3)])
    for message in read(name, 3):
        kind, stamp = message.timestamp()
        same(kind, 2, "kind of timestamp")
        assert before - 1000 <= stamp <= time.time() * 1000 + 1000, stamp


@behaviour("records up to max.message.bytes, and none that is bigger")
def _():
    name = topic("big", max_message_bytes="3000000")
    producer = Producer({"bootstrap.servers": tap.BOOTSTRAP, "message.max.bytes": 10000000})
    outcome = []
    for size in (2900000, 3100000, 10):
        producer.produce(name, b"b" * size, on_delivery=lambda e, m: outcome.append(e and e.code()))
        producer.flush(60)
    same(outcome, [None, KafkaError.MSG_SIZE_TOO_LARGE, None], "what was taken")
    same([len(m) for m in read(name, 2, max_partition_fetch_bytes=1000)], [2900000, 10],
         "sizes for a consumer that asks for less")


@behaviour("a compacted topic takes no record without a key, and the rest of its batch neither")
def _():
    for policy in ("compact", "compact,delete"):
        name = topic("compacted", cleanup_policy=policy)
        for size, others in (("1", None), ("1000000", KafkaError.INVALID_RECORD)):
            outcome = {}
            producer = Producer({"bootstrap.servers": tap.BOOTSTRAP, "linger.ms": 2000, "batch.size": size})
            for i in range(4):
                producer.produce(name, b"v", key=None if i == 1 else b"k",
                                 on_delivery=lambda e, m, i=i: outcome.update({i: e and e.code()}))
            producer.poll(0.5)  # flush() sends what its thread has taken over so far
            producer.flush(60)
            same(outcome, {0: others, 1: KafkaError.INVALID_RECORD, 2: others, 3: others}, f"batches of {size}")


@behaviour("idempotent: each record once and in order, over several partitions")
def _():
    name = topic("idempotent", 4)
    count = 200000 if tap.LONG else 20000
    produce(name, [dict(value=b"%d" % i, partition=i % 4) for i in range(count)],
            enable_idempotence=True, batch_num_messages=100, queue_buffering_max_messages=count)
    for partition in range(4):
        same([int(m.value()) for m in read(name, count // 4, partition)],
             list(range(partition, count, 4)), f"partition {partition}")


@behaviour("acks 0, 1 and all")
def _():
    name = topic("acks")
    for offset, acks in enumerate((0, 1, -1)):
        told = produce(name, [dict(value=b"%d" % acks)], acks=acks)[0]
        same(told.offset(), offset if acks else None, "offset that the producer was told")
        same(read(name, offset + 1)[-1].value(), b"%d" % acks, "last value")


@behaviour("keys choose partitions, and equal keys stay in order")
def _():
    name = topic("keyed", 5)
    produce(name, [dict(key=b"k%d" % (i % 37), value=b"%d" % i) for i in range(3700)])
    from_ = consumer()
    from_.subscribe([name])
    where, last = {}, {}
    for message in take(from_, 3700):
        same(where.setdefault(message.key(), message.partition()), message.partition(), "partition")
        assert last.get(message.key(), -1) < int(message.value()), "order"
        last[message.key()] = int(message.value())
    from_.close()
    same(len(where), 37, "keys")


# ---- reading

@behaviour("watermarks, seek, pause, resume, position, end of partition")
def _():
    name = topic("moves")
    produce(name, [dict(value=b"%d" % i) for i in range(100)])
    from_ = consumer(enable_partition_eof=True)
    part = TopicPartition(name, 0, 40)
    from_.assign([part])
    same(from_.get_watermark_offsets(part, timeout=30), (0, 100), "watermarks")
    same([int(m.value()) for m in take(from_, 10)], list(range(40, 50)), "from 40")
    from_.seek(TopicPartition(name, 0, 90))
    same([int(m.value()) for m in take(from_, 10)], list(range(90, 100)), "from 90")
    same(from_.position([part])[0].offset, 100, "position")
    message = until(lambda: from_.poll(1), "the end")
    same(message.error().code(), KafkaError._PARTITION_EOF, "what comes at the end")
    from_.pause([part])
    produce(name, [dict(value=b"100")])
    same(from_.poll(0.5), None, "while paused")
    from_.resume([part])
    same(take(from_, 1)[0].value(), b"100", "after resume")
    from_.close()


@behaviour("offsets of times, in the middle of batches")
def _():
    name = topic("times")
    produce(name, [dict(value=b"v", timestamp=1700000000000 + 10 * i) for i in range(500)],
            **{"compression.type": "zstd"})
    from_ = consumer()
    asked = [(1, 0), (1700000000000, 0), (1700000000001, 1), (1700000002345, 235),
             (1700000004990, 499), (1700000004991, -1)]
    for stamp, offset in asked:
        found = from_.offsets_for_times([TopicPartition(name, 0, stamp)], timeout=30)
        same(found[0].offset, offset, f"offset of {stamp}")
    from_.close()


@behaviour("behind the end: auto.offset.reset decides, or an error")
def _():
    name = topic("behind")
    produce(name, [dict(value=b"v")])
    same(read(name, 1, offset=1000)[0].offset(), 0, "earliest")
    from_ = consumer(auto_offset_reset="error")
    from_.assign([TopicPartition(name, 0, 1000)])
    message = until(lambda: from_.poll(1), "an error")
    same(message.error().code(), KafkaError._AUTO_OFFSET_RESET, "error")
    from_.close()


@behaviour("a consumer that waits gets a new record at once, not when its wait is over")
def _():
    name = topic("tail")
    from_ = consumer(fetch_wait_max_ms=60000, socket_timeout_ms=120000, fetch_min_bytes=1,
                     session_timeout_ms=120000, max_poll_interval_ms=130000)
    from_.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    assert from_.poll(1) is None
    produce(name, [dict(value=b"v")])
    same(take(from_, 1, 50)[0].value(), b"v", "value")
    from_.close()


# ---- groups

class Members:
    """Consumers of a group, polled one after the other, and what they hold and got."""

    def __init__(self, name, group, **options):
        self.name, self.group, self.options = name, group, options
        self.members, self.values = {}, []

    def join(self, who, **options):
        self.members[who] = consumer(self.group, **self.options, **options)
        self.members[who].subscribe([self.name])

    def leave(self, who):
        self.members.pop(who).close()

    def poll(self):
        for member in self.members.values():
            message = member.poll(0.02)
            if message is not None and not message.error():
                self.values.append(message.value())
                member.commit(message, asynchronous=False)

    def held(self):
        self.poll()
        return {who: sorted(p.partition for p in member.assignment())
                for who, member in self.members.items()}

    def until_shared(self, partitions, least=1):
        def shared():
            held = self.held()
            return (sorted(p for ps in held.values() for p in ps) == list(range(partitions)) and
                    min(map(len, held.values())) >= least and held)
        return until(shared, f"{partitions} partitions over {list(self.members)}", 90)


for strategy in ("range", "roundrobin", "cooperative-sticky"):
    @behaviour(f"{strategy}: members come and go, every partition has one owner, nothing is read twice")
    def _(strategy=strategy):
        name, group = topic("group", 6), tap.name("group")
        members = Members(name, group, partition_assignment_strategy=strategy)
        for who in "abc":
            members.join(who)
            members.until_shared(6, 6 // len(members.members))
        produce(name, [dict(value=b"%d" % i, partition=i % 6) for i in range(60)])
        until(lambda: members.poll() or len(members.values) >= 60, "60 values")
        members.leave("a")
        members.until_shared(6, 3)
        produce(name, [dict(value=b"%d" % i, partition=i % 6) for i in range(60, 90)])
        until(lambda: members.poll() or len(members.values) >= 90, "90 values")
        same(sorted(map(int, members.values)), list(range(90)), "values")
        for who in "bc":
            members.leave(who)


@behaviour("a member that dies is missed after its session, and its partitions go to others", long=True)
def _():
    name, group = topic("dying", 4), tap.name("group")
    members = Members(name, group)
    members.join("a")
    members.join("b", max_poll_interval_ms=6001)
    members.until_shared(4, 2)
    dead = members.members.pop("b")
    members.until_shared(4, 4)
    members.leave("a")
    dead.close()


@behaviour("static members come back without a rebalance")
def _():
    name, group = topic("static", 4), tap.name("group")
    members = Members(name, group, session_timeout_ms=30000)
    for who in "ab":
        members.join(who, group_instance_id=who)
    before = members.until_shared(4, 2)
    members.leave("b")
    members.join("b", group_instance_id="b")
    same(members.until_shared(4, 2), before, "assignment")
    described = admin.describe_consumer_groups([group])[group].result(30)
    same(sorted(m.group_instance_id for m in described.members), ["a", "b"], "instance ids")
    for who in "ab":
        members.leave(who)


@behaviour("a second static member of the same name fences the first")
def _():
    name, group = topic("fenced", 2), tap.name("group")
    first = consumer(group, group_instance_id="same", session_timeout_ms=30000)
    first.subscribe([name])
    until(lambda: first.poll(0.1) or first.assignment(), "the first has partitions")
    second = consumer(group, group_instance_id="same", session_timeout_ms=30000)
    second.subscribe([name])

    def fenced():
        second.poll(0.05)
        try:
            message = first.poll(0.05)
            return message is not None and message.error() and message.error().code() == KafkaError._FATAL
        except KafkaException as error:
            return error.args[0].code() in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)

    until(fenced, "the first is fenced")
    second.close()
    first.close()


@behaviour("committed offsets: kept, resumed from, with metadata; without, there is none")
def _():
    name, group = topic("commits", 2), tap.name("group")
    produce(name, [dict(value=b"%d" % i, partition=0) for i in range(20)])
    from_ = consumer(group)
    from_.subscribe([name])
    take(from_, 10)
    from_.commit(offsets=[TopicPartition(name, 0, 7, metadata="as far as seven")], asynchronous=False)
    from_.close()
    from_ = consumer(group)
    kept = from_.committed([TopicPartition(name, 0), TopicPartition(name, 1)], timeout=30)
    same([(p.offset, p.metadata) for p in kept], [(7, "as far as seven"), (-1001, None)], "committed")
    from_.subscribe([name])
    same(int(take(from_, 1)[0].value()), 7, "where it goes on")
    from_.close()


@behaviour("automatic commits")
def _():
    name, group = topic("auto"), tap.name("group")
    produce(name, [dict(value=b"%d" % i) for i in range(20)])
    for expect in (range(0, 10), range(10, 20)):
        from_ = consumer(group, enable_auto_commit=True, auto_commit_interval_ms=50)
        from_.subscribe([name])
        got = []
        until(lambda: got.append(from_.poll(0.2)) or sum(m is not None for m in got) == 10, "ten")
        same([int(m.value()) for m in got if m], list(expect), "values")
        from_.close()


@behaviour("a pattern subscribes topics that are created later")
def _():
    stem = tap.name("pattern")
    from_ = consumer(topic_metadata_refresh_interval_ms=200)
    from_.subscribe([f"^{stem}-.*"])
    from_.poll(0.2)
    for i in range(2):
        results(admin.create_topics([NewTopic(f"{stem}-{i}", 1, 1)]))
        produce(f"{stem}-{i}", [dict(value=b"%d" % i)])
    same(sorted(m.topic() for m in take(from_, 2)), [f"{stem}-0", f"{stem}-1"], "topics")
    from_.close()


# ---- administration

@behaviour("topics: created, described, given partitions, deleted, created again")
def _():
    name = topic("admin", 3, retention_ms="3600000")
    same(error_of(lambda: admin.create_topics([NewTopic(name, 1, 1)])),
         KafkaError.TOPIC_ALREADY_EXISTS, "again")
    described = description(name)
    same([len(described.partitions), described.is_internal, len(described.partitions[0].replicas)],
         [3, False, 1], "description")
    results(admin.create_partitions([NewPartitions(name, 5)]))
    until(lambda: len(admin.list_topics(name, 10).topics[name].partitions) == 5, "five partitions")
    same(error_of(lambda: admin.create_partitions([NewPartitions(name, 2)])),
         KafkaError.INVALID_PARTITIONS, "fewer partitions")
    first_id = str(described.topic_id)
    results(admin.delete_topics([name]))
    until(lambda: name not in admin.list_topics(timeout=10).topics, "it is gone")
    results(admin.create_topics([NewTopic(name, 1, 1)]))
    described = description(name)
    assert str(described.topic_id) != first_id, "same id"


@behaviour("topics that can't be: error codes")
def _():
    def code(*args, **more):
        return error_of(lambda: admin.create_topics([NewTopic(*args, **more)]))
    same(code("no spaces", 1, 1), KafkaError.TOPIC_EXCEPTION, "name")
    same(code("..", 1, 1), KafkaError.TOPIC_EXCEPTION, "dots")
    same(code("x" * 250, 1, 1), KafkaError.TOPIC_EXCEPTION, "length")
    same(code(tap.name("rf"), 1, 3), KafkaError.INVALID_REPLICATION_FACTOR, "replication factor")
    same(code(tap.name("cfg"), 1, 1, config={"no.such": "1"}), KafkaError.INVALID_CONFIG, "config name")
    same(code(tap.name("cfg"), 1, 1, config={"retention.ms": "x"}), KafkaError.INVALID_CONFIG, "config value")
    same(error_of(lambda: admin.delete_topics([tap.name("none")])), KafkaError.UNKNOWN_TOPIC_OR_PART, "delete")


@behaviour("validate_only: what would be an error is one, and nothing is created")
def _():
    name = tap.name("validated")
    results(admin.create_topics([NewTopic(name, 1, 1)], validate_only=True))
    assert name not in admin.list_topics(timeout=10).topics
    same(error_of(lambda: admin.create_topics([NewTopic(name, 1, 5)], validate_only=True)),
         KafkaError.INVALID_REPLICATION_FACTOR, "replication factor")


@behaviour("settings of a topic: described with where they come from, altered, reset")
def _():
    name = topic("config", 1, retention_ms="3600000")
    resource = lambda: ConfigResource(ConfigResource.Type.TOPIC, name)

    def settings():
        return admin.describe_configs([resource()])[resource()].result(30)

    def alter(**changes):
        changed = resource()
        for key, (op, value) in changes.items():
            changed.add_incremental_config(
                ConfigEntry(key.replace("_", "."), value, incremental_operation=op))
        results(admin.incremental_alter_configs([changed]))

    now = settings()
    same((now["retention.ms"].value, now["retention.ms"].source),
         ("3600000", ConfigSource.DYNAMIC_TOPIC_CONFIG.value), "retention.ms")
    same((now["cleanup.policy"].value, now["cleanup.policy"].is_default), ("delete", True), "cleanup.policy")
    same((now["max.message.bytes"].value, now["segment.bytes"].value), ("1048588", "1073741824"), "defaults")
    alter(retention_ms=(AlterConfigOpType.DELETE, None), segment_bytes=(AlterConfigOpType.SET, "2097152"),
          cleanup_policy=(AlterConfigOpType.APPEND, "compact"))
    until(lambda: settings()["segment.bytes"].value == "2097152", "segment.bytes")
    now = settings()
    same(now["retention.ms"].value, "604800000", "retention.ms")
    same(sorted(now["cleanup.policy"].value.split(",")), ["compact", "delete"], "cleanup.policy")
    bad = resource()
    bad.add_incremental_config(ConfigEntry("segment.bytes", "-5", incremental_operation=AlterConfigOpType.SET))
    same(error_of(lambda: admin.incremental_alter_configs([bad])), KafkaError.INVALID_CONFIG, "bad value")


@behaviour("settings of the broker")
def _():
    node = list(admin.list_topics(timeout=10).brokers)[0]
    resource = ConfigResource(ConfigResource.Type.BROKER, str(node))
    settings = admin.describe_configs([resource])[resource].result(30)
    for key in ("log.dirs", "num.partitions", "log.retention.hours", "message.max.bytes",
                "auto.create.topics.enable", "listeners"):
        assert key in settings, key
    same(settings["listeners"].source, ConfigSource.STATIC_BROKER_CONFIG.value, "source of listeners")


@behaviour("DeleteRecords moves the beginning")
def _():
    name = topic("cut")
    produce(name, [dict(value=b"%d" % i) for i in range(100)])
    cut = results(admin.delete_records([TopicPartition(name, 0, 60)]))
    same([r.low_watermark for r in cut.values()], [60], "low watermark")
    same(read(name, 1)[0].offset(), 60, "first offset")
    same(error_of(lambda: admin.delete_records([TopicPartition(name, 0, 500)])),
         KafkaError.OFFSET_OUT_OF_RANGE, "behind the end")
    results(admin.delete_records([TopicPartition(name, 0, -1)]))
    from_ = consumer()
    same(from_.get_watermark_offsets(TopicPartition(name, 0), timeout=30), (100, 100), "watermarks")
    from_.close()


@behaviour("ListOffsets: earliest, latest, of a time, of the greatest time")
def _():
    name = topic("listed")
    stamps = [1000, 5000, 3000, 4000]
    for stamp in stamps:
        produce(name, [dict(value=b"v", timestamp=1700000000000 + stamp)])
    part = TopicPartition(name, 0)

    def offset(spec):
        found = results(admin.list_offsets({part: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED))
        return list(found.values())[0].offset

    same(offset(OffsetSpec.earliest()), 0, "earliest")
    same(offset(OffsetSpec.latest()), 4, "latest")
    same(offset(OffsetSpec.max_timestamp()), 1, "greatest time")
    same(offset(OffsetSpec.for_timestamp(1700000002000)), 1, "of a time")
    same(offset(OffsetSpec.for_timestamp(1700000009000)), -1, "later than all")


@behaviour("groups: listed, described, reset, deleted")
def _():
    name, group = topic("groups", 2), tap.name("group")
    produce(name, [dict(value=b"%d" % i, partition=i % 2) for i in range(20)])
    from_ = consumer(group, client_id="me")
    from_.subscribe([name])
    take(from_, 20)
    from_.commit(asynchronous=False)
    described = admin.describe_consumer_groups([group])[group].result(30)
    same((described.state.name, described.is_simple_consumer_group, len(described.members),
          described.members[0].client_id, described.partition_assignor),
         ("STABLE", False, 1, "me", "range"), "description")
    same(sorted(p.partition for p in described.members[0].assignment.topic_partitions), [0, 1], "assignment")
    same(error_of(lambda: admin.delete_consumer_groups([group])), KafkaError.NON_EMPTY_GROUP, "delete while used")
    from_.close()

    listed = {g.group_id: g for g in admin.list_consumer_groups().result(30).valid}
    assert group in listed
    same(listed[group].state.name, "EMPTY", "state")
    offsets = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(30)
    same(sorted((p.partition, p.offset) for p in offsets.topic_partitions), [(0, 10), (1, 10)], "offsets")
    reset = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 3)])
    results(admin.alter_consumer_group_offsets([reset]))
    from_ = consumer(group)
    from_.subscribe([name])
    same(int(take(from_, 1)[0].offset()), 3, "where it goes on")
    from_.close()
    results(admin.delete_consumer_groups([group]))
    listed = [g.group_id for g in admin.list_consumer_groups().result(30).valid]
    assert group not in listed
    same(error_of(lambda: admin.delete_consumer_groups([tap.name("none")])),
         KafkaError.GROUP_ID_NOT_FOUND, "delete what is not there")


@behaviour("the cluster: id, controller, nodes")
def _():
    described = admin.describe_cluster().result(30)
    assert described.cluster_id
    same([described.controller.id, f"{described.nodes[0].host}:{described.nodes[0].port}"],
         [described.nodes[0].id, tap.BOOTSTRAP], "controller and address")


@behaviour("authorized operations: all, where nothing is forbidden")
def _():
    name, group = topic("allowed"), tap.name("group")
    from_ = consumer(group)
    from_.subscribe([name])
    until(lambda: from_.poll(0.1) or from_.assignment(), "partitions")

    def allowed(described):
        return sorted(o.name for o in described.authorized_operations or [])

    same(allowed(description(name, include_authorized_operations=True)),
         ["ALTER", "ALTER_CONFIGS", "CREATE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE"], "topic")
    same(allowed(admin.describe_cluster(include_authorized_operations=True).result(30)),
         ["ALTER", "ALTER_CONFIGS", "CLUSTER_ACTION", "CREATE", "DESCRIBE", "DESCRIBE_CONFIGS",
          "IDEMPOTENT_WRITE"], "cluster")
    same(allowed(admin.describe_consumer_groups([group], include_authorized_operations=True)[group].result(30)),
         ["ALTER_CONFIGS", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ"], "group")
    from_.close()


# ---- many at once

@behaviour("many producers and consumers at once: every record once", long=True)
def _():
    name, group, each = topic("crowd", 8), tap.name("group"), 20000
    makers = [threading.Thread(target=produce, args=(
        name, [dict(key=b"%d" % i, value=b"%d %d" % (who, i)) for i in range(each)]),
        kwargs=dict(enable_idempotence=True, **{"compression.type": CODECS[who % 5]})) for who in range(5)]
    members = [consumer(group) for _ in range(3)]
    for member in members:
        member.subscribe([name])
    for maker in makers:
        maker.start()
    seen = []

    def all_seen():
        for member in members:
            seen.extend(m.value() for m in member.consume(5000, 0.2) if not m.error())
        return len(set(seen)) == 5 * each

    until(all_seen, "all records", 300)
    for maker in makers:
        maker.join()
    for member in members:
        member.close()


tap.main()
