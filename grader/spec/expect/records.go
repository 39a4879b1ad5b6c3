package expect

import (
	"reflect"
	"strings"

	"moulinette/grader/evidence"
)

// Record is one kind of thing that expressions look into.
type Record struct {
	Name   string   // call, probe, process ...
	Are    []string // the names of an environment that are one, or a list of them
	Fields []string // with the kind of those that are records themselves
}

// Records lists them for a reader, as the checks know them.
func Records() []Record {
	l := &recordList{at: map[reflect.Type]int{}}
	for f := range environment(Names{Calls: []string{"call"}, Probes: []string{"probe"}}).Fields() {
		name, t := f.Tag.Get("expr"), f.Type
		if name == "probe" {
			t = reflect.TypeFor[evidence.Probe]() // the scenario's own holds its acts alone
		}
		if t = element(t); t.Name() == "" {
			continue // calls, probes, at, given: each holds what its scenario names
		}
		i := l.visit(t)
		l.all[i].Are = append(l.all[i].Are, name)
	}
	return l.all
}

// recordList gathers records, each once.
type recordList struct {
	all []Record
	at  map[reflect.Type]int
}

func (l *recordList) visit(t reflect.Type) int {
	if i, seen := l.at[t]; seen {
		return i
	}
	i := len(l.all)
	l.at[t] = i
	l.all = append(l.all, Record{Name: strings.ToLower(t.Name())})
	for f := range t.Fields() {
		name := f.Tag.Get("expr")
		if name == "" {
			continue
		}
		of, one := element(f.Type), f.Tag.Get("one")
		switch {
		case of.Kind() == reflect.Struct:
			l.visit(of)
			name += " (" + kind(f.Type) + ")"
		case one == "errno":
			name += " (as EPERM)"
		case one == "capability":
			name += " (list, as SYS_ADMIN)"
		case one != "":
			name += " (" + strings.Join(words(one), ", ") + ")"
		case f.Type.Kind() == reflect.Slice:
			name += " (list)"
		}
		l.all[i].Fields = append(l.all[i].Fields, name)
	}
	return i
}

// element is what a pointer, a list or a map holds.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func kind(t reflect.Type) string {
	name := strings.ToLower(element(t).Name())
	switch t.Kind() {
	case reflect.Slice:
		return "list of " + name
	case reflect.Map:
		return name + " by name"
	default:
		return name
	}
}
