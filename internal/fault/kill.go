package fault

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// InstallKill has this process killed ahead of its nth operation from now on,
// whose name is the last that it prints.
func InstallKill(n int) {
	var mu sync.Mutex
	count := 0
	Install(&Plan{Before: func(op Op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		if count++; count != n {
			return nil
		}
		fmt.Println(op)
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		time.Sleep(time.Hour) // until it takes effect
		return err
	}})
}
