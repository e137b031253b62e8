package wait

import (
	"context"
	"os/exec"
	"testing"
	"time"
)

// sleeper starts a process that does nothing.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Skip("there is no sleep(1):", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func (w *Watch) awaitOne() Event {
	e, _ := w.Await(context.Background(), 30*time.Second)
	return e
}

// TestEndOfTheHolderIsAnEvent has a process end that has nothing open, while
// its waiter reads events, and while another one does.
func TestEndOfTheHolderIsAnEvent(t *testing.T) {
	for _, leads := range []bool{true, false} {
		left := make(chan struct{})
		if !leads {
			leader := newWatch(t, newFile(t), Vanishing)
			ctx, cancel := context.WithCancel(context.Background())
			t.Cleanup(func() { cancel(); <-left })
			go func() {
				defer close(left)
				leader.Await(ctx, time.Hour)
			}()
			eventually(t, "it reads", leaving.leads)
		}
		w, p := newWatch(t, newFile(t), Vanishing), sleeper(t)
		w.endsWith(p.Process.Pid)
		got := make(chan Event)
		go func() { got <- w.awaitOne() }()
		eventually(t, "somebody reads", leaving.leads)
		p.Process.Kill()
		if e := <-got; e != Happened {
			t.Errorf("it reads itself: %v; the end of the holder was event %d", leads, e)
		}
	}
}

// TestHolderThatHasEnded is no event: who waits looks anyway.
func TestHolderThatHasEnded(t *testing.T) {
	w, p := newWatch(t, newFile(t), Vanishing), sleeper(t)
	p.Process.Kill()
	p.Wait()
	w.endsWith(p.Process.Pid)
	if w.holder != nil {
		t.Error("a process that is gone is watched")
	}
}

// TestWatchEndsBeforeTheHolder: nothing may remain of it, see TestMain.
func TestWatchEndsBeforeTheHolder(t *testing.T) {
	p := sleeper(t)
	for range 100 {
		w, err := NewWatch(newFile(t), Vanishing)
		if err != nil {
			t.Fatal(err)
		}
		w.endsWith(p.Process.Pid)
		w.Close()
	}
}
