package main

import "time"

// idle measures the CPU time of processes that wait, side by side, each for a
// lock of its own that this process has all the time.
func idle(b *bench) error {
	pythons, err := b.pyFilelocks()
	if err != nil {
		return err
	}
	waiters := []party{goParty(fileLock), goParty(softFileLock), goParty(gofrsLock), goParty(gofrsPoll1), goParty(gofrsPoll10)}
	var goals []goal
	baseline := gofrsPoll10
	for _, py := range pythons {
		waiters = append(waiters, py.party("FileLock"))
		goals = append(goals, atMost(1.0/15, py.name))
		baseline = pythons[0].name
	}
	if flock, ok := b.flockParty(); ok {
		waiters = append(waiters, flock)
	}
	t := b.table("CPU time of a process that waits, for each second", "µs", baseline)
	var procs []*proc
	for _, w := range waiters {
		p, err := b.waiting(w)
		if err != nil {
			return err
		}
		t.row(w.name)
		procs = append(procs, p)
	}
	t.rows[0].goals = goals
	if err := b.sleep(settle); err != nil {
		return err
	}
	for range b.roundsOf(5, 1) {
		used, err := b.cpuTimes(procs, pick(b, 3*time.Second, 300*time.Millisecond))
		if err != nil {
			return err
		}
		for i, share := range used {
			t.rows[i].add(share * 1e6)
		}
	}
	return nil
}

// waiting starts a process that waits for a lock until the run ends.
func (b *bench) waiting(w party) (*proc, error) {
	path, held := b.path(), gofrsTry
	if w.name == softFileLock {
		held = softFileLock
	}
	l, err := kindNamed(held).open(path)
	if err != nil {
		return nil, err
	}
	if err := l.acquire(b.ctx); err != nil {
		return nil, err
	}
	b.cleanUp = append(b.cleanUp, l.release)
	p, err := w.start(b, path)
	if err != nil {
		return nil, err
	}
	return p, p.wait()
}

// cpuTimes returns how much of the time d each process runs.
func (b *bench) cpuTimes(procs []*proc, d time.Duration) ([]float64, error) {
	used := make([]float64, len(procs))
	start := time.Now()
	for i, p := range procs {
		t, err := cpuTime(p.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		used[i] = -t.Seconds()
	}
	if err := b.sleep(d); err != nil {
		return nil, err
	}
	took := time.Since(start).Seconds()
	for i, p := range procs {
		t, err := cpuTime(p.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		used[i] = (used[i] + t.Seconds()) / took
	}
	return used, nil
}
