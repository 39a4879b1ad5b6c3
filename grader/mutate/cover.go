package mutate

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"

	"moulinette/grader/submission"
)

// Cover tells which statements of a package were executed, of a copy of it that
// notes so. What a mutant changes in a statement that a scenario never comes to
// cannot show in it.
type Cover struct {
	lists []list
	n     int // statements
}

// list is a list of statements: the inside of a block or of a clause.
type list struct {
	file       string
	from, to   int
	statements []statement
}

// statement is noted before it is executed.
type statement struct{ id, from, to int }

// notes is how many statements are noted in one file: as much as an observer
// reads of it.
const notes = 4 << 10

// unnoted is what stands for a statement that was not executed.
const unnoted, noted = '0', '1'

// Instrument makes a copy of a package that notes each statement before it is
// executed, in the files of [Cover.Files], if they are there when a process of
// it starts.
func Instrument(files submission.Files) (submission.Files, *Cover, error) {
	c, copied := &Cover{}, maps.Clone(files)
	pkg := ""
	for _, name := range sortedFiles(files) {
		if strings.Contains(name, "/") { // of another package
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, files[name], parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, err
		}
		pkg = file.Name.Name
		first := len(c.lists)
		c.read(name, file, func(p token.Pos) int { return fset.PositionFor(p, false).Offset })
		copied[name] = c.instrumented(files[name], c.lists[first:])
	}
	copied["executed.go"] = fmt.Appendf(nil, noting, pkg, c.parts(), notes, notes, Executed, notes, notes)
	return copied, c, nil
}

// Executed is the path of the files that notes are taken in, without their
// number.
const Executed = "/work/.executed-"

const noting = `package %s

import (
	"strconv"

	"golang.org/x/sys/unix"
)

var executedStatements = sharedNotes()

// sharedNotes are those of all processes of a scenario.
func sharedNotes() (parts [%d]*[%d]byte) {
	for i := range parts {
		parts[i] = new([%d]byte)
		fd, err := unix.Open(%q+strconv.Itoa(i), unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		shared, err := unix.Mmap(fd, 0, %d, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err == nil {
			parts[i] = (*[%d]byte)(shared)
		}
		_ = unix.Close(fd)
	}
	return parts
}
`

// read notes the lists of a file.
func (c *Cover) read(name string, file *ast.File, offset func(token.Pos) int) {
	add := func(from, to token.Pos, statements []ast.Stmt) {
		l := list{file: name, from: offset(from), to: offset(to)}
		for _, s := range statements {
			l.statements = append(l.statements, statement{c.n, offset(s.Pos()), offset(s.End())})
			c.n++
		}
		c.lists = append(c.lists, l)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			if !hasClauses(n) {
				add(n.Lbrace+1, n.Rbrace, n.List)
			}
		case *ast.CaseClause:
			add(n.Colon+1, n.End(), n.Body)
		case *ast.CommClause:
			add(n.Colon+1, n.End(), n.Body)
		}
		return true
	})
}

func hasClauses(b *ast.BlockStmt) bool {
	return slices.ContainsFunc(b.List, func(s ast.Stmt) bool {
		switch s.(type) {
		case *ast.CaseClause, *ast.CommClause:
			return true
		}
		return false
	})
}

// instrumented is a file whose statements note that they are executed.
func (c *Cover) instrumented(text []byte, lists []list) []byte {
	var all []statement
	for _, l := range lists {
		all = append(all, l.statements...)
	}
	slices.SortFunc(all, func(a, b statement) int { return a.from - b.from })
	var out bytes.Buffer
	done := 0
	for _, s := range all {
		out.Write(text[done:s.from])
		fmt.Fprintf(&out, "executedStatements[%d][%d] = %q; ", s.id/notes, s.id%notes, noted)
		done = s.from
	}
	out.Write(text[done:])
	return out.Bytes()
}

func (c *Cover) parts() int { return (c.n + notes - 1) / notes }

// Files are those that a scenario needs, by path, as they are before anything
// was executed.
func (c *Cover) Files() map[string]string {
	files := map[string]string{}
	for i := range c.parts() {
		files[fmt.Sprint(Executed, i)] = strings.Repeat(string(unnoted), notes)
	}
	return files
}

// Reaches tells whether any of the pieces, which are of the package that was
// instrumented, was reached in a scenario that left these files; not known is yes.
func (c *Cover) Reaches(files map[string]string, pieces []Piece) bool {
	return slices.ContainsFunc(pieces, func(p Piece) bool {
		executed, known := c.Executed(files, p)
		return executed || !known
	})
}

// Executed tells whether a piece was executed in a scenario that left these files,
// and whether that is known.
func (c *Cover) Executed(files map[string]string, p Piece) (executed, known bool) {
	ids := c.at(p)
	known = len(ids) > 0
	for _, id := range ids {
		part := files[fmt.Sprint(Executed, id/notes)]
		if len(part) != notes {
			return false, false
		}
		executed = executed || part[id%notes] != unnoted
	}
	return executed, known
}

// at are the statements that a piece belongs to, in the innermost list that has
// all of it; of one between two, both; of the whole body of a function, the first.
func (c *Cover) at(p Piece) (ids []int) {
	var in *list
	for i, l := range c.lists {
		if l.file == p.File && l.from <= p.From && p.To <= l.to && (in == nil || in.to-in.from > l.to-l.from) {
			in = &c.lists[i]
		}
	}
	if in == nil {
		return c.first(p)
	}
	before, after := -1, -1
	for _, s := range in.statements {
		switch {
		case s.to <= p.From:
			before = s.id
		case s.from >= p.To:
			if after < 0 {
				after = s.id
			}
		default:
			ids = append(ids, s.id)
		}
	}
	if len(ids) > 0 {
		return ids
	}
	for _, id := range []int{before, after} {
		if id >= 0 {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 { // an empty list: what it is part of
		return c.at(Piece{File: p.File, From: in.from - 1, To: in.to + 1})
	}
	return ids
}

// first is the statement by which a body is entered, of a piece that is one with its
// braces.
func (c *Cover) first(p Piece) []int {
	for _, l := range c.lists {
		if l.file == p.File && l.from-1 == p.From && p.To == l.to+1 && len(l.statements) > 0 {
			return []int{l.statements[0].id}
		}
	}
	return nil
}
