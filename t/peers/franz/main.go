// franz-go, the Go client that knows the newest protocol (t/peers/behaviours).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

// ---- what tests share

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func fails(err error, want error, what string) {
	if !errors.Is(err, want) {
		panic(fmt.Sprintf("%s: expected %v, saw %v", what, want, err))
	}
}

func client(options ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.HeartbeatInterval(200 * time.Millisecond),
		kgo.SessionTimeout(6 * time.Second),
		kgo.MetadataMinAge(50 * time.Millisecond),
	}, options...)...)
	must(err)
	return cl
}

func admin(options ...kgo.Opt) *kadm.Client { return kadm.NewClient(client(options...)) }

func topic(ctx context.Context, adm *kadm.Client, what string, partitions int32, configs map[string]*string) string {
	t := name(what)
	r, err := adm.CreateTopic(ctx, partitions, 1, configs, t)
	must(err)
	must(r.Err)
	return t
}

func produce(ctx context.Context, records []*kgo.Record, options ...kgo.Opt) {
	cl := client(options...)
	defer cl.Close()
	must(cl.ProduceSync(ctx, records...).FirstErr())
}

// numbered makes records 0, 1, 2... spread over the partitions.
func numbered(t string, n, partitions int) []*kgo.Record {
	rs := make([]*kgo.Record, n)
	for i := range rs {
		rs[i] = &kgo.Record{Topic: t, Partition: int32(i % partitions), Value: []byte(fmt.Sprint(i))}
	}
	return rs
}

func take(ctx context.Context, cl *kgo.Client, n int) []*kgo.Record {
	var got []*kgo.Record
	for len(got) < n {
		fetches := cl.PollRecords(ctx, n-len(got))
		must(fetches.Err())
		got = append(got, fetches.Records()...)
	}
	return got
}

func read(ctx context.Context, t string, partition int32, n int, options ...kgo.Opt) []*kgo.Record {
	cl := client(append(options, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		t: {partition: kgo.NewOffset().AtStart()}}))...)
	defer cl.Close()
	return take(ctx, cl, n)
}

func values(rs []*kgo.Record) []string {
	var vs []string
	for _, r := range rs {
		vs = append(vs, string(r.Value))
	}
	return vs
}

// ---- records

func roundTrip(codec kgo.CompressionCodec) func(context.Context) {
	return func(ctx context.Context) {
		adm := admin()
		defer adm.Close()
		t := topic(ctx, adm, "records", 1, nil)
		var sent []*kgo.Record
		for i := 0; i < 1000; i++ {
			r := &kgo.Record{Topic: t, Timestamp: time.UnixMilli(1700000000000 + int64(i))}
			if i%3 > 0 {
				r.Key = []byte(strings.Repeat("k", i%3-1))
			}
			if i%5 > 0 {
				r.Value = []byte(strings.Repeat("v", (i%5-1)*40))
			}
			if i%7 > 0 {
				r.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil},
					{Key: "ü", Value: []byte{}}}
			}
			sent = append(sent, r)
		}
		produce(ctx, sent, kgo.ProducerBatchCompression(codec))
		for i, r := range read(ctx, t, 0, len(sent)) {
			same(r.Offset, int64(i), "offset")
			same(r.Key, sent[i].Key, "key")
			same(r.Value, sent[i].Value, "value")
			same(len(r.Headers), len(sent[i].Headers), "number of headers")
			for j, h := range r.Headers {
				same(h, sent[i].Headers[j], "header")
			}
			same(r.Timestamp.UnixMilli(), sent[i].Timestamp.UnixMilli(), "timestamp")
		}
	}
}

func idempotent(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	t := topic(ctx, adm, "idempotent", 4, nil)
	n := 10000
	if long {
		n = 400000
	}
	produce(ctx, numbered(t, n, 4), kgo.ProducerBatchMaxBytes(2000), kgo.MaxBufferedRecords(n))
	for p := 0; p < 4; p++ {
		same(values(read(ctx, t, int32(p), n/4)), every(p, 4, n), "values")
	}
	told, err := adm.DescribeProducers(ctx, kadm.TopicsSet{t: {0: {}}})
	must(err)
	must(told[t].Partitions[0].Err)
	producers := told.SortedProducers()
	same(len(producers), 1, "producers")
	same(int(producers[0].LastSequence), n/4-1, "last sequence")
}

func acks(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	t := topic(ctx, adm, "acks", 1, nil)
	for i, a := range []kgo.Acks{kgo.NoAck(), kgo.LeaderAck(), kgo.AllISRAcks()} {
		produce(ctx, numbered(t, 1, 1), kgo.RequiredAcks(a), kgo.DisableIdempotentWrite())
		same(len(read(ctx, t, 0, i+1)), i+1, "records")
	}
}

func withoutSessions(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	t := topic(ctx, adm, "sessionless", 1, nil)
	produce(ctx, numbered(t, 500, 1))
	same(values(read(ctx, t, 0, 500, kgo.DisableFetchSessions(), kgo.FetchMaxPartitionBytes(500))),
		every(0, 1, 500), "values")
}

func recreated(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	t := topic(ctx, adm, "again", 1, nil)
	ids := map[kadm.TopicID]bool{}
	for i := 0; i < 2; i++ {
		produce(ctx, numbered(t, 3, 1))
		same(values(read(ctx, t, 0, 3)), every(0, 1, 3), "values")
		fresh := admin() // the other one remembers metadata
		listed, err := fresh.ListTopics(ctx, t)
		fresh.Close()
		must(err)
		ids[listed[t].ID] = true
		if i == 0 {
			_, err = adm.DeleteTopic(ctx, t)
			must(err)
			until(ctx, "created again", func() bool {
				r, err := adm.CreateTopic(ctx, 1, 1, nil, t)
				return err == nil && r.Err == nil
			})
		}
	}
	same(len(ids), 2, "topic ids")
}

// ---- the protocol's versions

// A client that speaks no newer protocol than that of one Kafka, through what clients do most.
func speaking(versions *kversion.Versions) func(context.Context) {
	return func(ctx context.Context) {
		old := kgo.MaxVersions(versions)
		adm := admin(old)
		defer adm.Close()
		t, group := topic(ctx, adm, "old", 2, map[string]*string{"retention.ms": pointer("7200000")}), name("group")
		produce(ctx, numbered(t, 20, 2), old, kgo.ProducerBatchCompression(kgo.Lz4Compression()))

		cl := client(old, kgo.ConsumerGroup(group), kgo.ConsumeTopics(t), kgo.DisableAutoCommit())
		got := values(take(ctx, cl, 20))
		sort.Strings(got)
		want := every(0, 1, 20)
		sort.Strings(want)
		same(got, want, "values")
		must(cl.CommitUncommittedOffsets(ctx))
		described, err := adm.DescribeGroups(ctx, group)
		must(err)
		same(described[group].State, "Stable", "state")
		cl.Close()

		lags, err := adm.Lag(ctx, group)
		must(err)
		lag := lags[group]
		must(lag.Error())
		same(lag.Lag.Total(), int64(0), "lag")
		ends, err := adm.ListEndOffsets(ctx, t)
		must(err)
		end, _ := ends.Lookup(t, 1)
		same(end.Offset, int64(10), "end")
		configs, err := adm.DescribeTopicConfigs(ctx, t)
		must(err)
		for _, c := range configs[0].Configs {
			if c.Key == "retention.ms" {
				same(*c.Value, "7200000", "retention.ms")
			}
		}
		cut, err := adm.DeleteRecords(ctx, kadm.Offsets{t: {0: {Topic: t, Partition: 0, At: 4}}})
		must(err)
		same(cut[t][0].LowWatermark, int64(4), "low watermark")
		added, err := adm.CreatePartitions(ctx, 1, t)
		must(err)
		must(added[t].Err)
		deleted, err := adm.DeleteGroup(ctx, group)
		must(err)
		must(deleted.Err)
		_, err = adm.DeleteTopic(ctx, t)
		must(err)
	}
}

// ---- groups

func members(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	t, group := topic(ctx, adm, "group", 6, nil), name("group")
	var all []*kgo.Client
	seen := map[string]int{}
	poll := func() {
		for _, cl := range all {
			brief, end := context.WithTimeout(ctx, 20*time.Millisecond)
			for _, r := range cl.PollFetches(brief).Records() {
				seen[string(r.Value)]++
			}
			end()
			must(cl.CommitUncommittedOffsets(ctx))
		}
	}
	shared := func() {
		until(ctx, fmt.Sprintf("6 partitions over %d members", len(all)), func() bool {
			poll()
			described, err := adm.DescribeGroups(ctx, group)
			must(err)
			held := 0
			for _, m := range described[group].Members {
				assigned, ok := m.Assigned.AsConsumer()
				if !ok || len(assigned.Topics) == 0 {
					return false
				}
				held += len(assigned.Topics[0].Partitions)
			}
			return described[group].State == "Stable" && held == 6 && len(described[group].Members) == len(all)
		})
	}
	for i := 0; i < 3; i++ {
		all = append(all, client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(t), kgo.DisableAutoCommit(),
			kgo.InstanceID(fmt.Sprint("m", i))))
		shared()
	}
	produce(ctx, numbered(t, 60, 6))
	until(ctx, "60 values", func() bool { poll(); return len(seen) == 60 })
	removed, err := adm.LeaveGroup(ctx, kadm.LeaveGroup(group).InstanceIDs("m0").Reason("a test"))
	must(err)
	must(removed.Error())
	all[0].Close()
	all = all[1:]
	shared()
	for _, cl := range all {
		cl.Close()
	}
	for v, n := range seen {
		same(n, 1, "how often "+v+" was read")
	}
}

func offsets(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	t, group := topic(ctx, adm, "offsets", 2, nil), name("group")
	produce(ctx, numbered(t, 20, 2))
	at := kadm.Offsets{}
	at.Add(kadm.Offset{Topic: t, Partition: 0, At: 7, LeaderEpoch: 0, Metadata: "seven"})
	at.Add(kadm.Offset{Topic: t, Partition: 1, At: 3, LeaderEpoch: -1})
	must(adm.CommitAllOffsets(ctx, group, at))
	fetched, err := adm.FetchOffsets(ctx, group)
	must(err)
	kept, _ := fetched.Lookup(t, 0)
	same(kept.Metadata, "seven", "metadata")
	same(kept.LeaderEpoch, int32(0), "leader epoch")

	cl := client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(t), kgo.DisableAutoCommit())
	first := map[int32]int64{}
	for _, r := range take(ctx, cl, 10) {
		if _, there := first[r.Partition]; !there {
			first[r.Partition] = r.Offset
		}
	}
	same(first, map[int32]int64{0: 7, 1: 3}, "where it goes on")
	refused, err := adm.DeleteOffsets(ctx, group, kadm.TopicsSet{t: {0: {}}})
	must(err)
	fails(refused[t][0], kerr.GroupSubscribedToTopic, "deleting the offset of a topic in use")
	cl.Close()
	deleted, err := adm.DeleteOffsets(ctx, group, kadm.TopicsSet{t: {0: {}}})
	must(err)
	must(deleted.Error())
	fetched, err = adm.FetchOffsets(ctx, group)
	must(err)
	_, there := fetched.Lookup(t, 0)
	same(there, false, "the deleted offset")
}

// ---- administration

func settings(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	t := topic(ctx, adm, "settings", 1, map[string]*string{"retention.ms": pointer("1000000")})
	get := func(key string) kadm.Config {
		told, err := adm.DescribeTopicConfigs(ctx, t)
		must(err)
		for _, c := range told[0].Configs {
			if c.Key == key {
				return c
			}
		}
		panic("no " + key)
	}
	alter := func(changes ...kadm.AlterConfig) error {
		told, err := adm.AlterTopicConfigs(ctx, changes, t)
		must(err)
		return told[0].Err
	}
	same(get("retention.ms").Source, kmsg.ConfigSourceDynamicTopicConfig, "source")
	same(get("segment.bytes").Source, kmsg.ConfigSourceDefaultConfig, "source of a default")
	same(get("retention.ms").Synonyms[0].Source, kmsg.ConfigSourceDynamicTopicConfig, "first synonym")
	must(alter(kadm.AlterConfig{Op: kadm.SetConfig, Name: "segment.bytes", Value: pointer("2000000")},
		kadm.AlterConfig{Op: kadm.AppendConfig, Name: "cleanup.policy", Value: pointer("compact")}))
	until(ctx, "segment.bytes", func() bool { return *get("segment.bytes").Value == "2000000" })
	same(*get("cleanup.policy").Value, "delete,compact", "cleanup.policy")
	must(alter(kadm.AlterConfig{Op: kadm.SubtractConfig, Name: "cleanup.policy", Value: pointer("delete")}))
	until(ctx, "cleanup.policy", func() bool { return *get("cleanup.policy").Value == "compact" })
	fails(alter(kadm.AlterConfig{Op: kadm.SetConfig, Name: "no.such", Value: pointer("1")}),
		kerr.InvalidConfig, "an unknown setting")
	fails(alter(kadm.AlterConfig{Op: kadm.SetConfig, Name: "segment.ms", Value: pointer("-7")}),
		kerr.InvalidConfig, "a wrong value")

	// the old way: what isn't named goes back to its default
	told, err := adm.AlterTopicConfigsState(ctx, []kadm.AlterConfig{{Name: "segment.ms", Value: pointer("60000")}}, t)
	must(err)
	must(told[0].Err)
	until(ctx, "segment.ms", func() bool { return *get("segment.ms").Value == "60000" })
	same(get("retention.ms").Source, kmsg.ConfigSourceDefaultConfig, "source of what wasn't named")
}

func places(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	t := topic(ctx, adm, "places", 1, nil)
	for i, stamp := range []int64{1, 5, 3, 4} {
		produce(ctx, []*kgo.Record{{Topic: t, Value: []byte(fmt.Sprint(i)), Timestamp: time.UnixMilli(1700000000000 + stamp)}})
	}
	at := func(listed kadm.ListedOffsets, err error) int64 {
		must(err)
		o, _ := listed.Lookup(t, 0)
		must(o.Err)
		return o.Offset
	}
	same(at(adm.ListStartOffsets(ctx, t)), int64(0), "start")
	same(at(adm.ListEndOffsets(ctx, t)), int64(4), "end")
	same(at(adm.ListCommittedOffsets(ctx, t)), int64(4), "stable end")
	same(at(adm.ListMaxTimestampOffsets(ctx, t)), int64(1), "greatest time")
	same(at(adm.ListLocalLogStartOffsets(ctx, t)), int64(0), "local start")
	same(at(adm.ListOffsetsAfterMilli(ctx, 1700000000002, t)), int64(1), "of a time")
	var ask kadm.OffsetForLeaderEpochRequest
	ask.Add(t, 0, 0)
	epochs, err := adm.OffsetForLeaderEpoch(ctx, ask)
	must(err)
	same(epochs[t][0].EndOffset, int64(4), "end of the leader's epoch")
	cut, err := adm.DeleteRecords(ctx, kadm.Offsets{t: {0: {Topic: t, Partition: 0, At: 9}}})
	must(err)
	fails(cut[t][0].Err, kerr.OffsetOutOfRange, "deleting behind the end")
	same(len(read(ctx, t, 0, 4)), 4, "records")
}

func cluster(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	cl := client()
	defer cl.Close()
	told, err := kmsg.NewPtrDescribeClusterRequest().RequestWith(ctx, cl)
	must(err)
	must(kerr.ErrorForCode(told.ErrorCode))
	meta, err := adm.BrokerMetadata(ctx)
	must(err)
	same(told.ClusterID, meta.Cluster, "cluster's id")
	same(told.ControllerID, told.Brokers[0].NodeID, "controller")
	same(fmt.Sprintf("%s:%d", told.Brokers[0].Host, told.Brokers[0].Port), bootstrap, "address")

	t := topic(ctx, adm, "dirs", 1, nil)
	produce(ctx, numbered(t, 1000, 1))
	dirs, err := adm.DescribeAllLogDirs(ctx, kadm.TopicsSet{t: {0: {}}})
	must(err)
	size := int64(0)
	for _, broker := range dirs {
		must(broker.Error())
		broker.EachPartition(func(p kadm.DescribedLogDirPartition) { size += p.Size })
	}
	same(size > 1000, true, "size of the log")
}

// What a single node without security has to say of clusters and security.
func absent(ctx context.Context) {
	adm := admin()
	defer adm.Close()
	cl := client()
	defer cl.Close()
	t := topic(ctx, adm, "absent", 1, nil)
	moves, err := adm.ListPartitionReassignments(ctx, kadm.TopicsSet{t: {0: {}}})
	must(err)
	same(len(moves), 0, "reassignments")
	quotas := kmsg.NewPtrDescribeClientQuotasRequest()
	told, err := quotas.RequestWith(ctx, cl)
	must(err)
	must(kerr.ErrorForCode(told.ErrorCode))
	acls := kmsg.NewPtrDescribeACLsRequest()
	acls.ResourceType, acls.Operation, acls.PermissionType = kmsg.ACLResourceTypeAny, kmsg.ACLOperationAny, kmsg.ACLPermissionTypeAny
	acls.ResourcePatternType = kmsg.ACLResourcePatternTypeAny
	rules, err := acls.RequestWith(ctx, cl)
	must(err)
	fails(kerr.ErrorForCode(rules.ErrorCode), kerr.SecurityDisabled, "rules of access")
	elected, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, kadm.TopicsSet{t: {0: {}}})
	must(err)
	fails(elected[t][0].Err, kerr.ElectionNotNeeded, "an election")
}

// ---- the list

func behaviours() []behaviour {
	var list []behaviour
	for _, c := range []struct {
		name  string
		codec kgo.CompressionCodec
	}{{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()}} {
		list = append(list, behaviour{c.name + ": keys, values, nulls, headers and timestamps come back as they were",
			roundTrip(c.codec)})
	}
	versions := kversion.VersionStrings()
	for _, v := range versions {
		if of := kversion.FromString(v); of != nil && spoken(v) {
			list = append(list, behaviour{"the protocol of Kafka " + v + ": topics, records, groups, offsets", speaking(of)})
		}
	}
	return append(list,
		behaviour{"idempotent: each record once and in order, over several partitions", idempotent},
		behaviour{"acks 0, 1 and all", acks},
		behaviour{"fetches without a session and with small limits", withoutSessions},
		behaviour{"a topic deleted and created again is another", recreated},
		behaviour{"members come, are removed, and share the partitions; nothing is read twice", members},
		behaviour{"offsets of a group: committed, resumed from, deleted", offsets},
		behaviour{"settings of a topic: with their sources, altered in both ways", settings},
		behaviour{"ListOffsets, OffsetForLeaderEpoch, DeleteRecords", places},
		behaviour{"the cluster and its log directories", cluster},
		behaviour{"no reassignments, quotas, rules of access, elections", absent})
}

// spoken: 2.1 is the oldest protocol that Kafka 4 takes.
func spoken(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "v%d.%d", &major, &minor)
	return err == nil && (major > 2 || major == 2 && minor >= 1)
}

// consume reads as t/906-places.t wants it; a member of a group commits what it has read.
func consume(ctx context.Context, how reading, to *lines) {
	var options []kgo.Opt
	if how.inGroup() {
		options = []kgo.Opt{kgo.ConsumeTopics(how.topic), kgo.ConsumerGroup(how.group), kgo.DisableAutoCommit()}
	} else {
		at, all := kgo.NewOffset().AtStart(), map[int32]kgo.Offset{}
		if how.how == "time" {
			at = kgo.NewOffset().AfterMilli(how.ms)
		}
		for i := range how.partitions {
			all[i] = at
		}
		options = []kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{how.topic: all})}
	}
	cl := client(append(options, kgo.FetchMaxPartitionBytes(step), kgo.SessionTimeout(session))...)
	defer cl.Close()
	var got []*kgo.Record
	for to.more() {
		fetches := cl.PollRecords(ctx, 100)
		must(fetches.Err())
		for _, r := range fetches.Records() {
			var headers []header
			for _, h := range r.Headers {
				headers = append(headers, header{h.Key, h.Value})
			}
			to.add(r.Partition, r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value, headers)
			got = append(got, r)
		}
	}
	if how.inGroup() {
		must(cl.CommitRecords(ctx, got...))
	}
}

func main() {
	if len(os.Args) == 7 && os.Args[1] == "read" {
		readAll(os.Args[2:], consume)
		return
	}
	os.Exit(tell(behaviours(), false))
}
