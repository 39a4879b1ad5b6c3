package grader

import (
	"embed"
	"io/fs"
)

// sources are compiled with each submission, so that the grader needs nothing
// but itself and a Go toolchain or a C compiler.
//
//go:embed contract/*.go scenario/*.go driver/*.go driver/c17/*.c driver/c17/*.h
var sources embed.FS

// Sources holds the folders contract, scenario and driver, for
// [build.Builder].
func Sources() fs.FS { return sources }
