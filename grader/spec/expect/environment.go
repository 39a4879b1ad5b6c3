package expect

import (
	"fmt"
	"reflect"
	"slices"

	"moulinette/grader/evidence"
)

// The environment of a scenario's expressions is a struct type made for it, so
// that every name, also of a call or a probe, is known when they are checked.

// environment gives the static type of every name.
func environment(names Names) reflect.Type {
	process, snapshot := reflect.TypeFor[evidence.Process](), reflect.TypeFor[evidence.Snapshot]()
	fields := []reflect.StructField{
		field("before", snapshot), field("after", snapshot), field("driver", process), field("peer", process),
		field("end", reflect.TypeFor[evidence.End]()), field("output", reflect.TypeFor[evidence.Output]()),
		field("host", reflect.TypeFor[evidence.Host]()), field("faults", reflect.TypeFor[[]evidence.FaultSeen]()),
		field("trace", reflect.TypeFor[[]evidence.Event]()),
		field("calls", alike(names.Calls, reflect.TypeFor[evidence.Call]())), field("at", alike(names.At, snapshot)),
	}
	var given, probes []reflect.StructField
	for _, name := range sorted(names.Given) {
		given = append(given, field(name, reflect.TypeOf(names.Given[name])))
	}
	for _, name := range names.Probes {
		probes = append(probes, field(name, probeType(names.Acts[name])))
	}
	fields = append(fields, field("given", structOf(given)), field("probes", structOf(probes)))
	if len(names.Calls) > 0 {
		fields = append(fields, field("call", reflect.TypeFor[evidence.Call]()))
	}
	if len(probes) > 0 {
		fields = append(fields, field("probe", probes[0].Type))
	}
	return structOf(fields)
}

// probeType is evidence.Probe, but with exactly the acts that the scenario asks
// for, so that a misspelt one is found when the spec is loaded.
func probeType(acts []string) reflect.Type {
	var fields []reflect.StructField
	for f := range reflect.TypeFor[evidence.Probe]().Fields() {
		switch name := f.Tag.Get("expr"); name {
		case "acts":
			fields = append(fields, field(name, alike(acts, reflect.TypeFor[evidence.ActResult]())))
		case "later": // never nil: a process that was not seen later has no pid
			fields = append(fields, field(name, reflect.TypeFor[evidence.Process]()))
		default:
			fields = append(fields, field(name, f.Type))
		}
	}
	return structOf(fields)
}

func field(name string, t reflect.Type) reflect.StructField {
	return reflect.StructField{Type: t, Tag: reflect.StructTag(fmt.Sprintf("expr:%q", name))}
}

// structOf makes a struct type whose fields are known by their tags alone.
func structOf(fields []reflect.StructField) reflect.Type {
	seen := map[reflect.StructTag]bool{}
	fields = slices.DeleteFunc(slices.Clone(fields), func(f reflect.StructField) bool {
		again := seen[f.Tag]
		seen[f.Tag] = true
		return again
	})
	for i := range fields {
		fields[i].Name = fmt.Sprintf("F%d", i)
	}
	return reflect.StructOf(fields)
}

func alike(names []string, t reflect.Type) reflect.Type {
	fields := make([]reflect.StructField, len(names))
	for i, name := range names {
		fields[i] = field(name, t)
	}
	return structOf(fields)
}

// named is the field that expressions know as name.
func named(v reflect.Value, name string) reflect.Value {
	for i := range v.NumField() {
		if v.Type().Field(i).Tag.Get("expr") == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// fill sets the fields for which there is a value of their type; the others
// stay zero.
func fill[V any](v reflect.Value, values map[string]V) {
	for name, value := range values {
		to, from := named(v, name), reflect.ValueOf(value)
		if to.IsValid() && from.IsValid() && from.Type() == to.Type() {
			to.Set(from)
		}
	}
}

func fillProbe(v reflect.Value, p evidence.Probe) {
	from := reflect.ValueOf(p)
	for i := range from.NumField() {
		switch name := from.Type().Field(i).Tag.Get("expr"); name {
		case "acts":
			fill(named(v, name), p.Acts)
		case "later":
			if p.Later != nil {
				named(v, name).Set(reflect.ValueOf(*p.Later))
			}
		default:
			named(v, name).Set(from.Field(i))
		}
	}
}
