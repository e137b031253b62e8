package wait

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gofilelock/filelock/internal/fault"
	"github.com/gofilelock/filelock/internal/sys"
)

// A turning is a turn in time that only the test passes. Its file is real: to
// look for events waits for nothing.
type turning struct {
	*testing.T
	Turn
	path string
}

func turn(t *testing.T, play func(*turning)) {
	t.Helper()
	settle(t) // what was closed outside is cleaned up outside
	path := newFile(t)
	others.Lock()
	clear(others.heard) // each bubble begins at the same time
	others.Unlock()
	synctest.Test(t, func(t *testing.T) {
		play(&turning{T: t, path: path})
		time.Sleep(time.Second) // the clean-up is in the bubble
	})
}

// lasts says how long the turn goes on from now, looking as often as a busy
// process does.
func (t *turning) lasts(want time.Duration) {
	t.Helper()
	start := time.Now()
	for t.GoesOn(t.path) {
		if time.Since(start) > time.Second {
			t.Fatal("the turn never ends")
		}
		time.Sleep(10 * time.Microsecond)
	}
	if d := time.Since(start); d != want {
		t.Errorf("the turn lasted %v, want %v", d, want)
	}
	t.End()
}

func TestTurnAloneIsLong(t *testing.T) {
	turn(t, func(t *turning) { t.lasts(longTurn) })
}

func TestTurnOfWhoHasHeardIsShort(t *testing.T) {
	turn(t, func(t *turning) {
		Heard(t.path)
		time.Sleep(memory - shortTurn)
		t.lasts(shortTurn)
		t.Turn = Turn{}
		time.Sleep(time.Microsecond) // now it is forgotten
		t.lasts(longTurn)
	})
}

func TestHearingOfAnotherFileChangesNothing(t *testing.T) {
	turn(t, func(t *turning) {
		Heard(t.path + "2")
		t.lasts(longTurn)
	})
}

func TestOpenByStrangerEndsTheTurnSoon(t *testing.T) {
	turn(t, func(t *turning) {
		if !t.GoesOn(t.path) {
			t.Error("it ends at once")
		}
		useFile(t, t.path, sys.ReadOnly)
		t.lasts(shortTurn)
	})
}

func TestKnockEndsTheTurnSoon(t *testing.T) {
	turn(t, func(t *turning) {
		f := openFile(t, t.path, sys.ReadWrite)
		defer f.Close()
		t.GoesOn(t.path)
		if !f.Knock() {
			t.Fatal("the owner cannot knock")
		}
		t.lasts(shortTurn)
	})
}

// A stranger who comes late ends the turn when it is next looked.
func TestLateStrangerEndsTheTurnAtOnce(t *testing.T) {
	turn(t, func(t *turning) {
		for start := time.Now(); time.Since(start) < 2*time.Millisecond; time.Sleep(10 * time.Microsecond) {
			t.GoesOn(t.path)
		}
		f := openFile(t, t.path, sys.ReadOnly)
		defer f.Close()
		t.lasts(0)
	})
}

func TestOwnFileDoesNotShortenTheTurn(t *testing.T) {
	turn(t, func(t *turning) {
		f := openFile(t, t.path, sys.ReadWrite)  // before the turn
		other, err := NewWatch(t.path, Arriving) // has the file watched already
		must(t, err)
		useFile(t, t.path, sys.ReadOnly)
		t.GoesOn(t.path)
		must(t, f.Close()) // to give back is not to come
		t.lasts(longTurn)
		other.Close()
	})
}

func TestDeafTurnIsShort(t *testing.T) {
	install(t, fault.Notify, unix.EMFILE)
	turn(t, func(t *turning) { t.lasts(shortTurn) })
}

func TestTurnLooksNowAndThen(t *testing.T) {
	turn(t, func(t *turning) {
		defer t.End()
		for i, c := range []struct {
			after time.Duration
			looks bool
		}{{0, true}, {attention - 1, false}, {1, true}, {0, false}, {attention, true}} {
			time.Sleep(c.after)
			t.GoesOn(t.path)
			if t.Looks() != c.looks {
				t.Errorf("step %d: looks: %v", i, t.Looks())
			}
		}
	})
}

func TestTurnEndsItsWatch(t *testing.T) {
	turn(t, func(t *turning) {
		t.GoesOn(t.path)
		if open, watched := instances(t); open != 1 || watched != 1 {
			t.Errorf("%d instances, %d watches", open, watched)
		}
		t.End()
		if t.watch != nil {
			t.Error("the watch is still there")
		}
		time.Sleep(2 * linger)
		if open, _ := instances(t); open != 0 {
			t.Errorf("%d instances are open", open)
		}
		t.End() // once more, or without a beginning: nothing
	})
}

func TestTurnOutlivesTheFile(t *testing.T) {
	turn(t, func(t *turning) {
		t.GoesOn(t.path)
		must(t, os.Remove(t.path))
		t.lasts(shortTurn)
	})
}
