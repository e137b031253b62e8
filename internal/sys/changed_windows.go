package sys

import (
	"unsafe"

	"github.com/gofilelock/filelock/internal/fault"
	"golang.org/x/sys/windows"
)

// Changed returns when f was changed, by the file system's clock: nanoseconds
// since 1970, or 0 where that is not known. SetFileTime does not set this time.
func (f File) Changed() (at int64, err error) {
	var basic struct { // FILE_BASIC_INFO
		_, _, _, changed windows.Filetime
		_                [2]uint32
	}
	err = call(fault.Fstat, "", func() error {
		return windows.GetFileInformationByHandleEx(f.handle, windows.FileBasicInfo,
			(*byte)(unsafe.Pointer(&basic)), uint32(unsafe.Sizeof(basic)))
	})
	if err != nil || basic.changed == (windows.Filetime{}) {
		return 0, err
	}
	return basic.changed.Nanoseconds(), nil
}
