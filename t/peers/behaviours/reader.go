package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"
)

const (
	step    = 1 << 16          // how much is fetched of a partition at a time
	session = 30 * time.Second // a member isn't given up on a machine that has much to do
)

// How a topic is read: from the beginning, from a time (ms), as a member of a group, as the next one.
type reading struct {
	topic      string
	partitions int32
	how        string
	ms         int64
	group      string
}

func (r *reading) inGroup() bool { return r.how == "group" || r.how == "next" }

type header struct {
	name  string
	value []byte
}

// What was read goes to a file, a line for each record: partition, offset, time, key, value and headers, with tabs
// between them and bytes in hex; "-" is null.
type lines struct {
	to    *bufio.Writer
	until string
	next  map[int32]int64
}

func hexed(bytes []byte) string {
	if bytes == nil {
		return "-"
	}
	return hex.EncodeToString(bytes)
}

func (l *lines) add(partition int32, offset, ms int64, key, value []byte, headers []header) {
	var hs []string
	for _, h := range headers {
		hs = append(hs, hexed([]byte(h.name))+"="+hexed(h.value))
	}
	fmt.Fprintf(l.to, "%d\t%d\t%d\t%s\t%s\t%s\n", partition, offset, ms, hexed(key), hexed(value), strings.Join(hs, ","))
	if len(l.next) == 0 {
		must(l.to.Flush()) // so that it is seen that somebody reads
	}
	l.next[partition] = offset + 1
}

// more tells whether a partition's end is still ahead, or isn't known yet.
func (l *lines) more() bool {
	if len(l.next) == 0 {
		return true
	}
	text, err := os.ReadFile(l.until)
	for ; err != nil; text, err = os.ReadFile(l.until) {
		time.Sleep(20 * time.Millisecond)
	}
	for partition, end := range strings.Fields(string(text)) {
		if l.next[int32(partition)] < number(end) {
			return true
		}
	}
	return false
}

// readAll is for t/906-places.t:
//
//	NAME read TOPIC PARTITIONS MS GROUP PREFIX
//
// reads the topic in each way, one after the other, into files PREFIX.start, .time, .group and .next.  It waits, with
// the first records read, for a file of the same name with .until behind it, which gives an offset for each partition,
// and reads on until all have been reached.  Segments move meanwhile: so it reads in small steps.
func readAll(args []string, read func(context.Context, reading, *lines)) {
	for _, how := range []string{"start", "time", "group", "next"} {
		ctx, end := context.WithTimeout(context.Background(), patience)
		file, err := os.Create(args[4] + "." + how)
		must(err)
		l := &lines{to: bufio.NewWriter(file), until: file.Name() + ".until", next: map[int32]int64{}}
		read(ctx, reading{args[0], int32(number(args[1])), how, number(args[2]), args[3]}, l)
		must(l.to.Flush())
		must(file.Close())
		end()
	}
}
