package faultfs

import (
	"testing"

	"github.com/gofilelock/filelock/internal/locktest"
)

// TestContract runs the contract where all goes well.
func TestContract(t *testing.T) {
	newBed(t, 0).settle(t)
	for _, k := range chosen() {
		t.Run(k.Name, func(t *testing.T) { locktest.Run(t, k) })
	}
}
