// What programs of ours on Go clients share: a list of behaviours against the broker at $BOOTSTRAP, printed as TAP.
// $VARVE_LONG asks for more of everything.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"time"
)

// A behaviour that takes as long hangs.
const patience = 120 * time.Second

var (
	bootstrap = os.Getenv("BOOTSTRAP")
	_, long   = os.LookupEnv("VARVE_LONG")
	names     atomic.Int64
)

type behaviour struct {
	what string
	run  func(context.Context)
}

// name gives one that no other run has used.
func name(what string) string {
	return fmt.Sprintf("%s-%s-%x-%d-%d", filepath.Base(os.Args[0]), what, time.Now().Unix(), os.Getpid(), names.Add(1))
}

func same(got, want any, what string) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Sprintf("%s: expected %v, saw %v", what, want, got))
	}
}

func until(ctx context.Context, what string, condition func() bool) {
	for !condition() {
		select {
		case <-ctx.Done():
			panic("never: " + what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// every counts from first to below n.
func every(first, step, n int) []string {
	var vs []string
	for i := first; i < n; i += step {
		vs = append(vs, fmt.Sprint(i))
	}
	return vs
}

func pointer(s string) *string { return &s }

// number reads an argument.
func number(text string) (n int64) {
	_, err := fmt.Sscan(text, &n)
	must(err)
	return n
}

func holds(b behaviour) (why any) {
	ctx, end := context.WithTimeout(context.Background(), patience)
	defer end()
	defer func() { why = recover() }()
	b.run(ctx)
	return nil
}

// tell prints what holds, in the order of the list: one by one, or all of them side by side.
func tell(list []behaviour, sideBySide bool) (code int) {
	fmt.Printf("1..%d\n", len(list))
	why := make([]func() any, len(list))
	for i, b := range list {
		why[i] = func() any { return holds(b) }
		if sideBySide {
			told := make(chan any, 1)
			go func() { told <- holds(b) }()
			why[i] = func() any { return <-told }
		}
	}
	for i, b := range list {
		if why := why[i](); why != nil {
			fmt.Printf("not ok %d - %s\n# %s\n", i+1, b.what, strings.ReplaceAll(fmt.Sprint(why), "\n", "\n# "))
			code = 1
		} else {
			fmt.Printf("ok %d - %s\n", i+1, b.what)
		}
	}
	return code
}
