package submission

import (
	"maps"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// odd tells whether a path holds what does harm where it is said, to a terminal or to
// who reads a report, or has a meaning of its own in a compiler's words.
func odd(name string) bool {
	return unseen(name) || strings.ContainsAny(name, "\\:\"'*?<>|`")
}

// unseen tells whether a name holds what is no text, or cannot be seen.
func unseen(name string) bool {
	return !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// shown is a path as it may be said.
func shown(name string) string {
	if odd(name) {
		return strconv.QuoteToASCII(name)
	}
	return name
}

// withoutOdd leaves out what nobody compiles, and would do harm where it is said.
func withoutOdd(files Files) Files {
	files = maps.Clone(files)
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return odd(name) })
	return files
}

// oddSource is that a file which would be compiled has an odd name.
func oddSource(path, name string) *Unusable {
	quoted := strconv.QuoteToASCII(name)
	return &Unusable{
		Path: path,
		FR:   quoted + " : nom de fichier source avec un caractère refusé, invisible ou parmi \\ : \" ' * ? < > | ` ; renommez-le",
		EN:   quoted + ": source file name with a character that is refused, invisible or one of \\ : \" ' * ? < > | `; rename it",
	}
}
