// sarama, the older of the two Go clients and the one most used (t/peers/behaviours).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// ---- what tests share

func must(err error) {
	if err != nil && !errors.Is(err, sarama.ErrNoError) {
		panic(err)
	}
}

func config(changes ...func(*sarama.Config)) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.ClientID = "sarama"
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Consumer.MaxWaitTime = 100 * time.Millisecond
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
	c.Consumer.Group.Session.Timeout = 6 * time.Second
	for _, change := range changes {
		change(c)
	}
	return c
}

func admin(c *sarama.Config) sarama.ClusterAdmin {
	adm, err := sarama.NewClusterAdmin([]string{bootstrap}, c)
	must(err)
	return adm
}

func topic(adm sarama.ClusterAdmin, what string, partitions int32, configs map[string]*string) string {
	t := name(what)
	must(adm.CreateTopic(t, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1, ConfigEntries: configs}, false))
	return t
}

// What is sent is its number, round the partitions.
func numbered(t string, n, partitions int) []*sarama.ProducerMessage {
	ms := make([]*sarama.ProducerMessage, n)
	for i := range ms {
		ms[i] = &sarama.ProducerMessage{Topic: t, Partition: int32(i % partitions),
			Value: sarama.StringEncoder(fmt.Sprint(i))}
	}
	return ms
}

func produce(ms []*sarama.ProducerMessage, c *sarama.Config) {
	p, err := sarama.NewSyncProducer([]string{bootstrap}, c)
	must(err)
	defer p.Close()
	must(p.SendMessages(ms))
}

// read takes n records of a partition, from an offset on.
func read(ctx context.Context, t string, partition int32, from int64, n int, c *sarama.Config) []*sarama.ConsumerMessage {
	all, err := sarama.NewConsumer([]string{bootstrap}, c)
	must(err)
	defer all.Close()
	one, err := all.ConsumePartition(t, partition, from)
	must(err)
	defer one.Close()
	var got []*sarama.ConsumerMessage
	for len(got) < n {
		select {
		case m := <-one.Messages():
			got = append(got, m)
		case <-ctx.Done():
			panic(fmt.Sprintf("%d of %d records of partition %d", len(got), n, partition))
		}
	}
	return got
}

func values(ms []*sarama.ConsumerMessage) []string {
	var vs []string
	for _, m := range ms {
		vs = append(vs, string(m.Value))
	}
	return vs
}

// A member of a group, which hands on what it gets; take commits it.
type member struct {
	group sarama.ConsumerGroup
	got   chan *sarama.ConsumerMessage
	end   context.CancelFunc
	gone  sync.WaitGroup
	lock  sync.Mutex
	held  int // partitions, just now
}

func (m *member) Setup(s sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(s sarama.ConsumerGroupSession) error { return nil }
func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	m.holds(1)
	defer m.holds(-1)
	for {
		select {
		case r, more := <-claim.Messages():
			if !more {
				return nil
			}
			select {
			case m.got <- r:
				s.MarkMessage(r, "")
				s.Commit()
			case <-s.Context().Done():
				return nil
			}
		case <-s.Context().Done():
			return nil
		}
	}
}

func (m *member) holds(more int) int {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.held += more
	return m.held
}

func join(ctx context.Context, group, t string, got chan *sarama.ConsumerMessage, c *sarama.Config) *member {
	cg, err := sarama.NewConsumerGroup([]string{bootstrap}, group, c)
	must(err)
	ctx, end := context.WithCancel(ctx)
	m := &member{group: cg, got: got, end: end}
	m.gone.Add(1)
	go func() {
		defer m.gone.Done()
		for ctx.Err() == nil {
			if err := cg.Consume(ctx, []string{t}, m); errors.Is(err, sarama.ErrClosedConsumerGroup) {
				return
			}
		}
	}()
	return m
}

func (m *member) leave() {
	m.end()
	m.gone.Wait()
	must(m.group.Close())
}

func take(ctx context.Context, from chan *sarama.ConsumerMessage, n int) []*sarama.ConsumerMessage {
	var got []*sarama.ConsumerMessage
	for len(got) < n {
		select {
		case r := <-from:
			got = append(got, r)
		case <-ctx.Done():
			panic(fmt.Sprintf("%d of %d records of a group", len(got), n))
		}
	}
	return got
}

// ---- records

func roundTrip(codec sarama.CompressionCodec) func(context.Context) {
	return func(ctx context.Context) {
		c := config(func(c *sarama.Config) { c.Producer.Compression = codec })
		adm := admin(c)
		defer adm.Close()
		t := topic(adm, "records", 1, nil)
		var sent []*sarama.ProducerMessage
		for i := 0; i < 1000; i++ {
			m := &sarama.ProducerMessage{Topic: t, Timestamp: time.UnixMilli(1700000000000 + int64(i))}
			if i%3 > 0 {
				m.Key = sarama.StringEncoder(strings.Repeat("k", i%3-1))
			}
			if i%5 > 0 {
				m.Value = sarama.StringEncoder(strings.Repeat("v", (i%5-1)*40))
			}
			if i%7 > 0 {
				m.Headers = []sarama.RecordHeader{{Key: []byte("h"), Value: []byte("1")}, {Key: []byte("ü"), Value: []byte{}}}
			}
			sent = append(sent, m)
		}
		produce(sent, c)
		for i, r := range read(ctx, t, 0, sarama.OffsetOldest, len(sent), c) {
			same(r.Offset, sent[i].Offset, "offset as it was told")
			same(r.Offset, int64(i), "offset")
			same(r.Key == nil, sent[i].Key == nil, "no key")
			same(r.Value == nil, sent[i].Value == nil, "no value")
			if sent[i].Key != nil {
				same(string(r.Key), string(sent[i].Key.(sarama.StringEncoder)), "key")
			}
			if sent[i].Value != nil {
				same(string(r.Value), string(sent[i].Value.(sarama.StringEncoder)), "value")
			}
			same(len(r.Headers), len(sent[i].Headers), "number of headers")
			for j, h := range r.Headers {
				same(*h, sent[i].Headers[j], "header")
			}
			same(r.Timestamp.UnixMilli(), sent[i].Timestamp.UnixMilli(), "timestamp")
		}
	}
}

func idempotent(ctx context.Context) {
	c := config(func(c *sarama.Config) {
		c.Producer.Idempotent = true
		c.Net.MaxOpenRequests = 1
		c.Producer.Flush.MaxMessages = 50
	})
	adm := admin(c)
	defer adm.Close()
	t := topic(adm, "idempotent", 4, nil)
	n := 10000
	if long {
		n = 400000
	}
	produce(numbered(t, n, 4), c)
	for p := 0; p < 4; p++ {
		same(values(read(ctx, t, int32(p), sarama.OffsetOldest, n/4, c)), every(p, 4, n), "values")
	}
}

func acks(ctx context.Context) {
	c := config()
	adm := admin(c)
	defer adm.Close()
	t := topic(adm, "acks", 1, nil)
	for i, a := range []sarama.RequiredAcks{sarama.NoResponse, sarama.WaitForLocal, sarama.WaitForAll} {
		produce(numbered(t, 1, 1), config(func(c *sarama.Config) { c.Producer.RequiredAcks = a }))
		same(len(read(ctx, t, 0, sarama.OffsetOldest, i+1, c)), i+1, "records")
	}
}

func small(ctx context.Context) {
	c := config(func(c *sarama.Config) { c.Consumer.Fetch.Default = 500 })
	adm := admin(c)
	defer adm.Close()
	t := topic(adm, "small", 1, nil)
	produce(numbered(t, 500, 1), c)
	same(values(read(ctx, t, 0, sarama.OffsetOldest, 500, c)), every(0, 1, 500), "values")
	same(values(read(ctx, t, 0, 444, 56, c)), every(444, 1, 500), "values from the middle")
}

// ---- the protocol's versions

// A client that speaks as with one Kafka, through what clients do most.
func speaking(version sarama.KafkaVersion) func(context.Context) {
	return func(ctx context.Context) {
		c := config(func(c *sarama.Config) { c.Version, c.Producer.Compression = version, sarama.CompressionLZ4 })
		adm := admin(c)
		defer adm.Close()
		t, group := topic(adm, "old", 2, map[string]*string{"retention.ms": pointer("7200000")}), name("group")
		produce(numbered(t, 20, 2), c)

		got := make(chan *sarama.ConsumerMessage)
		m := join(ctx, group, t, got, c)
		read := values(take(ctx, got, 20))
		sort.Strings(read)
		want := every(0, 1, 20)
		sort.Strings(want)
		same(read, want, "values")
		described, err := adm.DescribeConsumerGroups([]string{group})
		must(err)
		same(described[0].State, "Stable", "state")
		m.leave()

		committed, err := adm.ListConsumerGroupOffsets(group, map[string][]int32{t: {0, 1}})
		must(err)
		same(committed.GetBlock(t, 1).Offset, int64(10), "committed")
		ends, err := adm.ListOffsets(map[string]map[int32]int64{t: {1: sarama.OffsetNewest}}, nil)
		must(err)
		must(ends[t][1].Err)
		same(ends[t][1].Offset, int64(10), "end")
		configs, err := adm.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: t,
			ConfigNames: []string{"retention.ms"}})
		must(err)
		same(configs[0].Value, "7200000", "retention.ms")
		must(adm.DeleteRecords(t, map[int32]int64{0: 4}))
		starts, err := adm.ListOffsets(map[string]map[int32]int64{t: {0: sarama.OffsetOldest}}, nil)
		must(err)
		same(starts[t][0].Offset, int64(4), "start")
		must(adm.CreatePartitions(t, 3, nil, false))
		must(adm.DeleteConsumerGroup(group))
		must(adm.DeleteTopic(t))
	}
}

// ---- groups

func members(strategy func() sarama.BalanceStrategy) func(context.Context) {
	return func(ctx context.Context) {
		c := func() *sarama.Config {
			return config(func(c *sarama.Config) {
				c.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{strategy()}
				c.Consumer.Group.Rebalance.Retry.Backoff = 100 * time.Millisecond
			})
		}
		adm := admin(c())
		defer adm.Close()
		t, group := topic(adm, "group", 6, nil), name("group")
		got := make(chan *sarama.ConsumerMessage)
		var all []*member
		shared := func() {
			until(ctx, fmt.Sprintf("6 partitions over %d members", len(all)), func() bool {
				held, each := 0, true
				for _, m := range all {
					n := m.holds(0)
					held += n
					each = each && n == 6/len(all)
				}
				return held == 6 && each
			})
		}
		sent := 0
		round := func() {
			shared()
			ms := numbered(t, 60, 6)
			for i := range ms {
				ms[i].Value = sarama.StringEncoder(fmt.Sprint(sent + i))
			}
			produce(ms, c())
			seen := values(take(ctx, got, 60))
			sort.Strings(seen)
			want := every(sent, 1, sent+60)
			sort.Strings(want)
			same(seen, want, "what all members read")
			sent += 60
		}
		for i := 0; i < 3; i++ {
			all = append(all, join(ctx, group, t, got, c()))
			round()
		}
		for len(all) > 1 {
			all[0].leave()
			all = all[1:]
			round()
		}
		all[0].leave()
		select {
		case r := <-got:
			panic(fmt.Sprintf("read twice: %s", r.Value))
		default:
		}
	}
}

func offsets(ctx context.Context) {
	c := config()
	adm := admin(c)
	defer adm.Close()
	t, group := topic(adm, "offsets", 1, nil), name("group")
	produce(numbered(t, 30, 1), c)
	_, err := adm.AlterConsumerGroupOffsets(group, map[string]map[int32]sarama.OffsetAndMetadata{
		t: {0: {Offset: 12, LeaderEpoch: -1, Metadata: "why"}}}, nil)
	must(err)
	told, err := adm.ListConsumerGroupOffsets(group, nil)
	must(err)
	same(told.GetBlock(t, 0).Offset, int64(12), "committed")
	same(told.GetBlock(t, 0).Metadata, "why", "metadata")
	listed, err := adm.ListConsumerGroups()
	must(err)
	_, there := listed[group]
	same(there, true, "listed")

	got := make(chan *sarama.ConsumerMessage)
	m := join(ctx, group, t, got, c)
	same(values(take(ctx, got, 18)), every(12, 1, 30), "read on")
	if err := adm.DeleteConsumerGroup(group); !errors.Is(err, sarama.ErrNonEmptyGroup) {
		panic(fmt.Sprintf("a group with a member is deleted: %v", err))
	}
	m.leave()
	must(adm.DeleteConsumerGroupOffset(group, t, 0))
	told, err = adm.ListConsumerGroupOffsets(group, map[string][]int32{t: {0}})
	must(err)
	same(told.GetBlock(t, 0).Offset, int64(-1), "deleted")
	must(adm.DeleteConsumerGroup(group))
}

// ---- topics and the cluster

func settings(ctx context.Context) {
	c := config()
	adm := admin(c)
	defer adm.Close()
	t := topic(adm, "settings", 1, map[string]*string{"segment.bytes": pointer("1048576")})
	value := func(what string) string {
		all, err := adm.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: t})
		must(err)
		for _, e := range all {
			if e.Name == what {
				return e.Value
			}
		}
		panic(what + " is not described")
	}
	same(value("segment.bytes"), "1048576", "segment.bytes")
	must(adm.IncrementalAlterConfig(sarama.TopicResource, t, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: pointer("1234567")}}, false))
	same(value("retention.ms"), "1234567", "retention.ms")
	same(value("segment.bytes"), "1048576", "segment.bytes, behind that")
	must(adm.IncrementalAlterConfig(sarama.TopicResource, t, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationDelete}}, false))
	same(value("retention.ms"), "604800000", "retention.ms by default")
	if adm.IncrementalAlterConfig(sarama.TopicResource, t, map[string]sarama.IncrementalAlterConfigsEntry{
		"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: pointer("soon")}}, false) == nil {
		panic("retention.ms=soon is taken")
	}
	if err := adm.CreateTopic(t, &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1}, false); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		panic(fmt.Sprintf("a topic is created twice: %v", err))
	}
	must(adm.DeleteTopic(t))
	until(ctx, "deleted", func() bool {
		all, err := adm.ListTopics()
		must(err)
		_, there := all[t]
		return !there
	})
}

func byTime(ctx context.Context) {
	c := config()
	adm := admin(c)
	defer adm.Close()
	t := topic(adm, "time", 1, nil)
	ms := numbered(t, 100, 1)
	for i := range ms {
		ms[i].Timestamp = time.UnixMilli(1700000000000 + 10*int64(i))
	}
	produce(ms, c)
	for _, one := range []struct{ ask, offset int64 }{{1700000000000, 0}, {1700000000001, 1}, {1700000000990, 99}, {1700000000991, -1}} {
		told, err := adm.ListOffsets(map[string]map[int32]int64{t: {0: one.ask}}, nil)
		must(err)
		must(told[t][0].Err)
		same(told[t][0].Offset, one.offset, fmt.Sprint("the first from ", one.ask))
	}
}

func cluster(ctx context.Context) {
	c := config()
	adm := admin(c)
	defer adm.Close()
	t := topic(adm, "cluster", 3, nil)
	produce(numbered(t, 3, 3), c)
	brokers, controller, err := adm.DescribeCluster()
	must(err)
	same(len(brokers), 1, "brokers")
	same(brokers[0].ID(), controller, "the controller")
	same(brokers[0].Addr(), bootstrap, "its address")
	dirs, err := adm.DescribeLogDirs([]int32{controller})
	must(err)
	partitions := 0
	for _, dir := range dirs[controller] {
		for _, in := range dir.Topics {
			if in.Topic == t {
				partitions += len(in.Partitions)
			}
		}
	}
	same(partitions, 3, "partitions in log directories")
	metadata, err := adm.DescribeTopics([]string{t, t + "-none"})
	must(err)
	same(len(metadata[0].Partitions), 3, "partitions")
	same(metadata[1].Err, sarama.ErrUnknownTopicOrPartition, "a topic that isn't")
}

func behaviours() (list []behaviour) {
	for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP,
		sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD} {
		list = append(list, behaviour{codec.String() + ": keys, values, nulls, headers and timestamps come back as they were",
			roundTrip(codec)})
	}
	for i, v := range sarama.SupportedVersions {
		// 2.1 is the oldest protocol that Kafka 4 takes; of those with the same two numbers the last
		last := i+1 == len(sarama.SupportedVersions) || minor(sarama.SupportedVersions[i+1]) != minor(v)
		if v.IsAtLeast(sarama.V2_1_0_0) && last {
			list = append(list, behaviour{"the protocol of Kafka " + v.String() + ": topics, records, groups, offsets", speaking(v)})
		}
	}
	for _, s := range []struct {
		name     string
		strategy func() sarama.BalanceStrategy
	}{{"range", sarama.NewBalanceStrategyRange}, {"round robin", sarama.NewBalanceStrategyRoundRobin},
		{"sticky", sarama.NewBalanceStrategySticky}, {"cooperative", sarama.NewBalanceStrategyCooperativeSticky}} {
		list = append(list, behaviour{s.name + ": members come and leave, and share the partitions; nothing is read twice",
			members(s.strategy)})
	}
	return append(list,
		behaviour{"idempotent: each record once and in order, over several partitions", idempotent},
		behaviour{"acks 0, 1 and all", acks},
		behaviour{"fetches with small limits, and from the middle", small},
		behaviour{"offsets of a group: committed, resumed from, deleted", offsets},
		behaviour{"settings of a topic: described, altered, set back; bad ones are refused", settings},
		behaviour{"offsets by time", byTime},
		behaviour{"the cluster, its log directories and its topics", cluster})
}

func minor(v sarama.KafkaVersion) string {
	return strings.Join(strings.SplitN(v.String(), ".", 3)[:2], ".")
}

// assigned hands on what is in the partitions, from a time on or from the beginning, until it is told to stop.
func assigned(ctx context.Context, how reading, got chan *sarama.ConsumerMessage, c *sarama.Config) (stop func()) {
	client, err := sarama.NewClient([]string{bootstrap}, c)
	must(err)
	all, err := sarama.NewConsumerFromClient(client)
	must(err)
	ctx, end := context.WithCancel(ctx)
	var gone sync.WaitGroup
	for i := range how.partitions {
		at := sarama.OffsetOldest
		if how.how == "time" {
			at, err = client.GetOffset(how.topic, i, how.ms)
			must(err)
		}
		one, err := all.ConsumePartition(how.topic, i, at)
		must(err)
		gone.Add(1)
		go func() {
			defer gone.Done()
			for ctx.Err() == nil {
				select {
				case r := <-one.Messages():
					select {
					case got <- r:
					case <-ctx.Done():
					}
				case <-ctx.Done():
				}
			}
			must(one.Close())
		}()
	}
	return func() {
		end()
		gone.Wait()
		must(all.Close())
		must(client.Close())
	}
}

// consume reads as t/906-places.t wants it; a member of a group commits what it has read.
func consume(ctx context.Context, how reading, to *lines) {
	c := config(func(c *sarama.Config) {
		c.Consumer.Fetch.Default = step
		c.Consumer.Group.Session.Timeout = session
	})
	got := make(chan *sarama.ConsumerMessage)
	var stop func()
	if how.inGroup() {
		stop = join(ctx, how.group, how.topic, got, c).leave
	} else {
		stop = assigned(ctx, how, got, c)
	}
	for to.more() {
		r := take(ctx, got, 1)[0]
		var headers []header
		for _, h := range r.Headers {
			headers = append(headers, header{string(h.Key), h.Value})
		}
		to.add(r.Partition, r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value, headers)
	}
	stop()
}

func main() {
	if len(os.Args) == 7 && os.Args[1] == "read" {
		readAll(os.Args[2:], consume)
		return
	}
	// side by side: most of the time this client waits for timers of its own
	os.Exit(tell(behaviours(), true))
}
