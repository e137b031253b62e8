package filelock_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/gofilelock/filelock"
)

// TestCycleThroughASecondName has two owners each hold a lock, and wait for
// that of the other by its second name.
func TestCycleThroughASecondName(t *testing.T) {
	dir := t.TempDir()
	name := func(s string) string { return dir + "/" + s }
	for _, s := range []string{"a", "b"} {
		write(t, name(s), "")
		must(t, os.Link(name(s), name(s+"2")))
	}
	var wg, first sync.WaitGroup
	first.Add(2)
	errs := make([]error, 2)
	for i, names := range [][2]string{{"a", "b2"}, {"b", "a2"}} {
		wg.Go(func() {
			err := filelock.New(name(names[0])).Do(bg, func(ctx context.Context) error {
				first.Done()
				first.Wait()
				errs[i] = filelock.New(name(names[1])).Do(ctx, func(context.Context) error { return nil })
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if errors.Is(errs[0], filelock.ErrDeadlock) == errors.Is(errs[1], filelock.ErrDeadlock) {
		t.Errorf("one of them should be told of a deadlock: %v", errs)
	}
}

// TestSharedOwnerIsNoCycle has somebody wait for everybody, and somebody of
// everybody for him: not the one that has the lock.
func TestSharedOwnerIsNoCycle(t *testing.T) {
	dir := t.TempDir()
	a, b := filelock.New(dir+"/a", filelock.WithSharedOwner()), filelock.New(dir+"/b")
	ha, err := a.Acquire(bg)
	must(t, err)
	hb, err := b.Acquire(bg)
	must(t, err)
	waits := make(chan error)
	go func() { // b's owner waits for everybody's a
		h, err := filelock.New(dir + "/a").Acquire(hb.Context())
		if err == nil {
			err = h.Release()
		}
		waits <- err
	}()
	go func() { // somebody of everybody waits for b, and is not who has a
		h, err := filelock.New(dir+"/b", filelock.WithSharedOwner()).Acquire(bg)
		if err == nil {
			err = h.Release()
		}
		waits <- err
	}()
	must(t, ha.Release())
	must(t, <-waits)
	must(t, hb.Release())
	must(t, <-waits)
}
