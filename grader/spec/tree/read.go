package tree

import (
	"errors"
	"fmt"
	"io/fs"
)

// ReadFile reads a file that may be YAML: what never ends, or is far too large, is not
// taken in. The error does not name the file.
func ReadFile(fsys fs.FS, file string) ([]byte, error) {
	info, err := fs.Stat(fsys, file)
	switch {
	case err != nil:
		return nil, Reason(err)
	case !info.Mode().IsRegular():
		return nil, errors.New("this is no regular file")
	case info.Size() > MaxBytes:
		return nil, fmt.Errorf("the file has %d bytes, more than %d", info.Size(), MaxBytes)
	}
	data, err := fs.ReadFile(fsys, file)
	return data, Reason(err)
}

// Reason is an error without the path.
func Reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}
