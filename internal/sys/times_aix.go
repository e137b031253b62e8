package sys

import (
	"errors"
	"time"
)

// SetTimes fails: the times of an open file cannot be set here.
func (f File) SetTimes(time.Time) error { return errors.ErrUnsupported }
