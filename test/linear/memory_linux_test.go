package linear

import (
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/gofilelock/filelock"
	"github.com/gofilelock/filelock/internal/locktest"
	"github.com/gofilelock/filelock/memory"
)

// recordInMemory has processes that are none use a lock in memory.
func (k *kind) recordInMemory(t *testing.T, seed uint64) *history {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		t.Error(err)
		return nil
	}
	var space memory.Space
	s := scene{dir}
	h := &history{kind: k}
	clients := 1
	if !k.breaks {
		clients += int(seed % 2)
	}
	parties := make([]*party, atFirst)
	for i := range parties {
		process := space.Process(filelock.Holder{PID: firstPID + i})
		p := &party{kind: k, process: i, clients: clients, steps: k.steps, seed: seed}
		p.lock = func() locktest.Lock { return process.Lock("x") }
		p.name = func(h filelock.Holder) int {
			if h.PID == os.Getpid() {
				return i
			}
			return h.PID - firstPID
		}
		if p.log, err = os.OpenFile(s.log(i), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o666); err != nil {
			t.Error(err)
			return nil
		}
		defer p.log.Close()
		parties[i] = p
	}
	var wg sync.WaitGroup
	for _, p := range parties {
		wg.Go(func() {
			if err := p.run(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	epilogue := *parties[0]
	epilogue.process = last
	r := &runner{party: &epilogue, client: mostClients - 1, lock: space.Process(filelock.Holder{}).Lock("x"), random: rand.New(rand.NewPCG(seed, 0))}
	if err := r.epilogue(); err != nil {
		t.Errorf("%s=%d: %v", seedVariable, seed, err)
		return nil
	}
	for i := range parties {
		if err := h.load(s.log(i)); err != nil {
			t.Errorf("%s=%d: %v", seedVariable, seed, err)
			return nil
		}
	}
	return h
}

// firstPID is more than any process of the system has.
const firstPID = 1 << 30
