package main

import (
	"testing"
	"time"
)

func TestEndOfALeaseInWords(t *testing.T) {
	now := time.Date(2001, 2, 3, 23, 59, 30, 0, time.Local)
	for _, c := range []struct {
		expires time.Time
		want    string
	}{
		{time.Time{}, ""},
		{now.Add(time.Minute), ", until 00:00:30"},
		{now.Add(24 * time.Hour), ", until 2001-02-04 23:59:30"},
		{now.Add(-time.Minute), ", until 23:58:30"},
		{now.Add(-24 * time.Hour), ", until 2001-02-02 23:59:30"},
	} {
		if got := (&report{Expires: c.expires}).until(now); got != c.want {
			t.Errorf("%v: %q, want %q", c.expires, got, c.want)
		}
	}
}
