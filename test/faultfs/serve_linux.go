package faultfs

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// A Way is how a file system is mounted. Usually all may enter it, and its locks are
// those of the directory that it shows.
type Way string

// The ways that are not usual.
const (
	SystemsLocks Way = "system's locks" // it has those of the kernel
	Private      Way = "private"        // nobody else may enter it, as without allow_other
)

// Serve has dir shown at mountpoint, by a kernel that believes for so long what
// it has been told of names and files, until in ends. Then it is unmounted.
//
// It says once that it is ready. Of each [Plan] that it reads it puts in the place
// of the last one, and says how often that has struck, by operations.
func Serve(dir, mountpoint string, ttl time.Duration, way Way, in io.Reader, out io.Writer) error {
	faults := newInjector()
	server, err := mount(dir, mountpoint, ttl, way, faults)
	if err != nil {
		return err
	}
	defer server.Wait()
	defer unix.Unmount(mountpoint, unix.MNT_DETACH)
	defer faults.change(Plan{})
	say := json.NewEncoder(out)
	if err := say.Encode(faults.change(Plan{})); err != nil {
		return err
	}
	for plans := json.NewDecoder(in); ; {
		var p Plan
		if err := plans.Decode(&p); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := say.Encode(faults.change(p)); err != nil {
			return err
		}
	}
}

func mount(dir, mountpoint string, ttl time.Duration, way Way, faults *injector) (*fuse.Server, error) {
	root, err := fs.NewLoopbackRoot(dir)
	if err != nil {
		return nil, err
	}
	return fs.Mount(mountpoint, &node{root.(*fs.LoopbackNode), faults}, &fs.Options{
		EntryTimeout: &ttl, AttrTimeout: &ttl, NegativeTimeout: &ttl,
		MountOptions: fuse.MountOptions{
			FsName: "faultfs", AllowOther: way != Private, DirectMountStrict: true, EnableLocks: way != SystemsLocks,
			Options: []string{"default_permissions"}, DisableReadDirPlus: true,
		},
	})
}

// pause waits for a moment, or until ctx ends.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Millisecond):
		return nil
	}
}
