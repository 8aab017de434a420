"""kafka-python, which has a protocol implementation of its own, against the broker at $BOOTSTRAP."""
import threading

import tap
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    AlterConfigOp, ConfigResource, ConfigResourceType, OffsetSpec, OffsetTimestamp)
from kafka.errors import (
    CommitFailedError, InvalidConfigurationError, InvalidPartitionsError,
    InvalidReplicationFactorError, InvalidTopicError, KafkaError, MessageSizeTooLargeError,
    OffsetOutOfRangeError, RebalanceInProgressError, TopicAlreadyExistsError,
    UnknownTopicOrPartitionError)
from kafka.structs import OffsetAndMetadata
from tap import behaviour, same, until

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]

# The versions that it speaks when it is told how old the broker is: from what Kafka 4 still takes.
AGES = [(2, 1), (2, 3), (2, 4), (2, 6), (2, 8), (3, 0), (3, 7), (4, 0)]
admin = KafkaAdminClient(bootstrap_servers=tap.BOOTSTRAP)


# ---- what tests share

def topic(what, partitions=1, **config):
    name = tap.name(what)
    admin.create_topics({name: {"num_partitions": partitions, "replication_factor": 1, "configs": {
        k.replace("_", "."): v for k, v in config.items()}}}, wait_for_metadata=True)
    return name


def produce(name, records, **options):
    """records: dicts for KafkaProducer.send; returns what it was told of them, in order."""
    producer = KafkaProducer(bootstrap_servers=tap.BOOTSTRAP, linger_ms=5, **options)
    futures = [producer.send(name, **record) for record in records]
    producer.flush(60)
    told = [future.get(60) for future in futures]
    producer.close()
    return told


def consumer(group=None, **options):
    return KafkaConsumer(**{
        "bootstrap_servers": tap.BOOTSTRAP, "group_id": group, "auto_offset_reset": "earliest",
        "enable_auto_commit": False, "fetch_max_wait_ms": 50, "heartbeat_interval_ms": 200,
        "session_timeout_ms": 6000, **options})


# Longer than a join takes, also on a slow disk: when a poll ends between SyncGroup and its answer,
# kafka-python 3.0.12 never finishes the join, sends no heartbeats, and reads nothing any more.
POLL_MS = 2000


def take(from_, count):
    got = []

    def more():
        for records in from_.poll(timeout_ms=POLL_MS, max_records=count - len(got)).values():
            got.extend(records)
        return len(got) >= count

    until(more, f"{count} records")
    return got


def read(name, count, partition=0, offset=0, **options):
    from_ = consumer(**options)
    from_.assign([TopicPartition(name, partition)])
    from_.seek(TopicPartition(name, partition), offset)
    got = take(from_, count)
    from_.close()
    return got


def fails(kind, call):
    try:
        call()
    except kind:
        return
    except KafkaError as error:
        raise AssertionError(f"expected {kind.__name__}, saw {error!r}")
    raise AssertionError(f"expected {kind.__name__}, saw nothing")


# ---- records

for codec in CODECS:
    @behaviour(f"{codec}: keys, values, nulls, headers and timestamps come back as they were")
    def _(codec=codec):
        records = [dict(
            # it sends no record without both
            key=None if i % 6 == 0 else b"" if i % 6 == 1 else b"key %d" % i,
            value=None if i % 6 == 3 else b"" if i % 5 == 1 else b"value %d " % i + b"x" * 100,
            headers=[] if i % 7 == 0 else [("h", b"1"), ("h", b""), ("\u00fc", b"%d" % i)],
            timestamp_ms=1700000000000 + i) for i in range(500)]
        name = topic(f"records-{codec}")
        told = produce(name, [dict(r, partition=0) for r in records], compression_type=codec)
        same([t.offset for t in told], list(range(500)), "offsets that the producer was told")
        for record, want in zip(read(name, 500), records):
            same(record.key, want["key"], "key")
            same(record.value, want["value"], "value")
            same(list(record.headers), want["headers"], "headers")
            same((record.timestamp, record.timestamp_type), (want["timestamp_ms"], 0), "timestamp")


for age in AGES:
    @behaviour(f"a client that takes the broker for {'.'.join(map(str, age))}: topics, records, groups")
    def _(age=age):
        old = dict(api_version=age)
        name, group = tap.name("old"), tap.name("group")
        chief = KafkaAdminClient(bootstrap_servers=tap.BOOTSTRAP, **old)
        chief.create_topics({name: {"num_partitions": 2, "replication_factor": 1}})
        until(lambda: name in chief.list_topics(), "the topic")
        produce(name, [dict(value=b"%d" % i, partition=i % 2) for i in range(20)], **old)
        from_ = consumer(group, **old)
        from_.subscribe([name])
        same(sorted(int(r.value) for r in take(from_, 20)), list(range(20)), "records")
        from_.commit()
        same(from_.committed(TopicPartition(name, 1)), 10, "committed")
        same(from_.end_offsets([TopicPartition(name, 0)]), {TopicPartition(name, 0): 10}, "end")
        same(chief.describe_groups([group])[group]["group_state"], "Stable", "state")
        from_.close()
        chief.delete_groups([group])
        chief.delete_topics([name])
        chief.close()


@behaviour("records up to max.message.bytes, and none that is bigger")
def _():
    name = topic("big", max_message_bytes="3000000")
    options = dict(max_request_size=10000000, batch_size=10)
    produce(name, [dict(value=b"b" * 2900000)], **options)
    fails(MessageSizeTooLargeError, lambda: produce(name, [dict(value=b"b" * 3100000)], **options))
    produce(name, [dict(value=b"small")], **options)
    same([len(r.value) for r in read(name, 2, max_partition_fetch_bytes=1000)], [2900000, 5],
         "sizes for a consumer that asks for less")


@behaviour("idempotent: each record once and in order, over several partitions")
def _():
    name = topic("idempotent", 4)
    count = 40000 if tap.LONG else 4000
    produce(name, [dict(value=b"%d" % i, partition=i % 4) for i in range(count)],
            enable_idempotence=True, batch_size=500)
    for partition in range(4):
        same([int(r.value) for r in read(name, count // 4, partition)],
             list(range(partition, count, 4)), f"partition {partition}")


@behaviour("acks 0, 1 and all")
def _():
    name = topic("acks")
    for count, acks in enumerate((0, 1, "all"), 1):
        produce(name, [dict(value=str(acks).encode())], acks=acks, enable_idempotence=False)
        same(read(name, count)[-1].value, str(acks).encode(), "last value")


# ---- reading

@behaviour("begin, end, seek, pause, resume, position")
def _():
    name = topic("moves")
    part = TopicPartition(name, 0)
    produce(name, [dict(value=b"%d" % i) for i in range(100)])
    from_ = consumer(enable_incremental_fetch_sessions=True)
    from_.assign([part])
    same((from_.beginning_offsets([part])[part], from_.end_offsets([part])[part]), (0, 100), "ends")
    from_.seek(part, 90)
    same([int(r.value) for r in take(from_, 10)], list(range(90, 100)), "from 90")
    same(from_.position(part), 100, "position")
    from_.seek_to_beginning(part)
    same(int(take(from_, 1)[0].value), 0, "from the beginning")
    from_.pause(part)
    same(from_.poll(300), {}, "while paused")
    from_.resume(part)
    same(int(take(from_, 1)[0].value), 1, "after resume")
    from_.close()


@behaviour("offsets of times, in the middle of batches")
def _():
    name = topic("times")
    part = TopicPartition(name, 0)
    produce(name, [dict(value=b"v", timestamp_ms=1700000000000 + 10 * i) for i in range(300)],
            compression_type="gzip")
    from_ = consumer()
    for stamp, offset in [(1, 0), (1700000000001, 1), (1700000002345, 235), (1700000002990, 299)]:
        same(from_.offsets_for_times({part: stamp})[part].offset, offset, f"offset of {stamp}")
    same(from_.offsets_for_times({part: 1700000002991})[part], None, "later than all")
    from_.close()


# ---- groups

class Member(threading.Thread):
    """A consumer in a thread of its own; `values` is what it read, `held` what it owns."""

    def __init__(self, name, group, **options):
        super().__init__(daemon=True)
        self.consumer = consumer(group, **options)
        self.consumer.subscribe([name])
        self.values, self.held, self.ends, self.failed = [], [], threading.Event(), None
        self.start()

    def run(self):
        try:
            while not self.ends.is_set():
                for records in self.consumer.poll(timeout_ms=POLL_MS).values():
                    self.values.extend(int(r.value) for r in records)
                self.held = sorted(p.partition for p in self.consumer.assignment())
                self.commit()
            self.consumer.close()
        except Exception as error:
            self.failed = error

    def commit(self):
        try:
            self.consumer.commit()
        except (CommitFailedError, RebalanceInProgressError):
            pass  # a rebalance came in between: the next owner reads it again

    def leave(self):
        self.ends.set()
        self.join(30)
        assert self.failed is None, self.failed
        return self.values


def shared(members, partitions):
    def fair():
        for member in members:
            assert member.failed is None, member.failed
        held = [m.held for m in members]
        return sorted(sum(held, [])) == list(range(partitions)) and all(held)
    until(fair, f"{partitions} partitions over {len(members)} members")


@behaviour("members come and go, every partition has one owner, nothing is lost")
def _():
    name, group = topic("group", 6), tap.name("group")
    members = [Member(name, group)]
    shared(members, 6)
    members += [Member(name, group), Member(name, group)]
    shared(members, 6)
    produce(name, [dict(value=b"%d" % i, partition=i % 6) for i in range(60)])
    until(lambda: sum(len(m.values) for m in members) >= 60, "60 values")
    seen = members[0].leave()
    shared(members[1:], 6)
    produce(name, [dict(value=b"%d" % i, partition=i % 6) for i in range(60, 90)])
    until(lambda: len(seen) + sum(len(m.values) for m in members[1:]) >= 90, "90 values")
    for member in members[1:]:
        seen = seen + member.leave()
    same(sorted(set(seen)), list(range(90)), "values")


@behaviour("committed offsets: kept with metadata, resumed from; without, there is none")
def _():
    name, group = topic("commits", 2), tap.name("group")
    part, other = TopicPartition(name, 0), TopicPartition(name, 1)
    produce(name, [dict(value=b"%d" % i, partition=0) for i in range(20)])
    from_ = consumer(group)
    from_.subscribe([name])
    take(from_, 10)
    from_.commit({part: OffsetAndMetadata(7, "as far as seven", -1)})
    from_.close()
    from_ = consumer(group)
    kept = from_.committed(part, metadata=True)
    same((kept.offset, kept.metadata, from_.committed(other)), (7, "as far as seven", None), "committed")
    from_.subscribe([name])
    same(int(take(from_, 1)[0].value), 7, "where it goes on")
    from_.close()


@behaviour("an assigned consumer commits for a group without members")
def _():
    name, group = topic("simple"), tap.name("group")
    produce(name, [dict(value=b"v")])
    from_ = consumer(group)
    from_.assign([TopicPartition(name, 0)])
    take(from_, 1)
    from_.commit()
    from_.close()
    same({p.partition: o.offset for p, o in admin.list_group_offsets([group])[group].items()}, {0: 1}, "offsets")


# ---- administration

@behaviour("topics: created, described, given partitions, deleted; what can't be")
def _():
    name = topic("admin", 3)
    fails(TopicAlreadyExistsError, lambda: admin.create_topics({name: {"num_partitions": 1}}))
    same(len(admin.describe_topics([name])[0]["partitions"]), 3, "partitions")
    admin.create_partitions({name: 5})
    until(lambda: len(admin.describe_topics([name])[0]["partitions"]) == 5, "five partitions")
    fails(InvalidPartitionsError, lambda: admin.create_partitions({name: 2}))
    admin.delete_topics([name])
    until(lambda: name not in admin.list_topics(), "it is gone")
    fails(UnknownTopicOrPartitionError, lambda: admin.delete_topics([name]))
    fails(InvalidTopicError, lambda: admin.create_topics({"no spaces": {"num_partitions": 1}}))
    fails(InvalidReplicationFactorError, lambda: admin.create_topics({
        tap.name("rf"): {"num_partitions": 1, "replication_factor": 3}}))
    fails(InvalidConfigurationError, lambda: admin.create_topics({
        tap.name("cfg"): {"num_partitions": 1, "configs": {"retention.ms": "soon"}}}))


@behaviour("settings of a topic: described, altered, reset")
def _():
    name = topic("config", retention_ms="3600000")

    def settings():
        found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)], config_filter="all")
        return {key: entry["value"] for key, entry in found["topic"][name].items()}

    same((settings()["retention.ms"], settings()["segment.bytes"]), ("3600000", "1073741824"), "settings")
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, {
        "segment.bytes": (AlterConfigOp.SET, "2097152"), "retention.ms": (AlterConfigOp.DELETE, None),
        "cleanup.policy": (AlterConfigOp.APPEND, "compact")})])
    until(lambda: settings()["segment.bytes"] == "2097152", "segment.bytes")
    same(settings()["retention.ms"], "604800000", "retention.ms")
    same(sorted(settings()["cleanup.policy"].split(",")), ["compact", "delete"], "cleanup.policy")


@behaviour("DeleteRecords and ListOffsets")
def _():
    name = topic("cut")
    part = TopicPartition(name, 0)
    produce(name, [dict(value=b"v", timestamp_ms=1700000000000 + i) for i in (1, 5, 3, 4)])
    at = lambda spec: admin.list_partition_offsets({part: spec})[part].offset
    same([at(OffsetSpec.EARLIEST), at(OffsetSpec.LATEST), at(OffsetSpec.MAX_TIMESTAMP),
          at(1700000000002)], [0, 4, 1, 1], "offsets")
    same(admin.delete_records({part: 2})[part]["low_watermark"], 2, "low watermark")
    same(at(OffsetSpec.EARLIEST), 2, "earliest")
    fails(OffsetOutOfRangeError, lambda: admin.delete_records({part: 9}))


@behaviour("groups: listed, described, reset by time and to the beginning, deleted")
def _():
    name, group = topic("groups"), tap.name("group")
    part = TopicPartition(name, 0)
    delete = lambda: dict(admin.delete_groups([group]))[group]
    produce(name, [dict(value=b"v", timestamp_ms=1700000000000 + i) for i in range(20)])
    from_ = consumer(group)
    from_.subscribe([name])
    take(from_, 20)
    from_.commit()
    told = admin.describe_groups([group])[group]
    same((told["group_state"], told["protocol_type"], len(told["members"])), ("Stable", "consumer", 1), "group")
    same(delete(), "NonEmptyGroupError", "delete while used")
    from_.close()
    assert group in [g["group_id"] for g in admin.list_groups()]
    admin.reset_group_offsets(group, {part: OffsetTimestamp(1700000000007)})
    same(admin.list_group_offsets([group])[group][part].offset, 7, "by time")
    admin.reset_group_offsets(group, {part: OffsetSpec.EARLIEST})
    same(admin.list_group_offsets([group])[group][part].offset, 0, "to the beginning")
    same(delete(), "OK", "delete")
    assert group not in [g["group_id"] for g in admin.list_groups()]
    same(delete(), "GroupIdNotFoundError", "delete again")


@behaviour("the cluster and its log directories")
def _():
    told = admin.describe_cluster()
    node = told["brokers"][0]
    same(told["controller_id"], node["broker_id"], "controller")
    same(f"{node['host']}:{node['port']}", tap.BOOTSTRAP, "address")
    name = topic("dirs", 2)
    produce(name, [dict(value=b"v" * 1000, partition=1)])
    dirs = admin.describe_log_dirs({name: [0, 1]})
    sizes = {p["partition_index"]: p["partition_size"] for d in dirs for r in d["log_dirs"]
             for t in r["topics"] for p in t["partitions"]}
    assert sizes[0] == 0 and sizes[1] > 1000, sizes


tap.main()
