package image

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"

	"moulinette/grader/lack"
)

// What unpacking may cost, whatever a file claims of itself.
const (
	maxKernel = 512 << 20
	maxModule = 64 << 20
	maxWindow = 128 << 20 // of zstd and xz; kernels are packed with up to 128 MB
)

// packers are the compressions of kernels and modules, by their first bytes.
var packers = []struct {
	name  string
	magic string
	open  func(io.Reader) (io.Reader, error)
}{
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{"xz", "\xfd7zXZ\x00", func(r io.Reader) (io.Reader, error) { return xz.NewReader(r, maxWindow) }},
	{"zstd", "\x28\xb5\x2f\xfd", openZstd},
	{"lz4", "\x02\x21\x4c\x18", func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
}

func openZstd(r io.Reader) (io.Reader, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
}

var (
	errUnknownPacking       = errors.New("packed in a way that is not known here")
	errTooBig         error = &lack.Error{EN: "too big", FR: "trop gros"}
)

// unpack opens what is packed in r.
func unpack(r io.Reader) (io.ReadCloser, error) {
	head := make([]byte, 6)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	whole := io.MultiReader(bytes.NewReader(head[:n]), r)
	for _, p := range packers {
		if !bytes.HasPrefix(head[:n], []byte(p.magic)) {
			continue
		}
		open, err := p.open(whole)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		return &unpacker{p.name, open}, nil
	}
	return nil, errUnknownPacking
}

// unpacker names the packing in its errors, and frees what reading took.
type unpacker struct {
	name string
	r    io.Reader
}

func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // a Reader ends with EOF itself
		err = fmt.Errorf("%s: %w", u.name, err)
	}
	return n, err
}

func (u *unpacker) Close() error {
	if z, ok := u.r.(*zstd.Decoder); ok {
		z.Close()
	}
	return nil
}

// readAll reads r, which may hold at most limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: more than %d MB", errTooBig, limit>>20)
	}
	return data, nil
}
