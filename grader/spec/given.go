package spec

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"moulinette/grader/spec/tree"
)

// given is a named value of a scenario: fixed, or drawn from the seed.
type given struct {
	name   string
	kind   string // of a random value, a key of randomKinds
	value  any    // of a fixed one: int, string or bool
	key    *yaml.Node
	values *yaml.Node
}

// givenNode keeps the node of the given values.
type givenNode struct{ node *yaml.Node }

// UnmarshalTree keeps the node.
func (g *givenNode) UnmarshalTree(_ *tree.Decoder, n *yaml.Node) { g.node = n }

// randomValue is how a random value is written.
type randomValue struct {
	Random string `yaml:"random"`
}

func (g givenNode) read(d *tree.Decoder) []given {
	if g.node == nil {
		return nil
	}
	var all []given
	for _, e := range d.Entries(g.node, "given") {
		one := given{name: e.Key.Value, key: e.Key, values: e.Value}
		if !identifier.MatchString(one.name) {
			d.ReportNode(e.Key, fmt.Sprintf("%q is no name", one.name), "use lower-case letters, digits and _")
		}
		one.read(d, e.Value)
		all = append(all, one)
	}
	return all
}

func (g *given) read(d *tree.Decoder, n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		var r randomValue
		d.DecodePart(n, &r, "given "+g.name)
		g.kind = r.Random
		if kinds := randomKinds(); kinds[g.kind] == nil {
			d.ReportNode(n, fmt.Sprintf("unknown random kind %q", g.kind), tree.Suggest(g.kind, slices.Collect(maps.Keys(kinds))))
			g.kind = "name"
		}
		return
	}
	var value any
	if n.Kind == yaml.ScalarNode && n.Decode(&value) == nil {
		switch value.(type) {
		case int, string, bool:
			g.value = value
			if text, is := value.(string); is && strings.Contains(text, "${") {
				d.ReportNode(n, "given "+g.name+" refers to another value, which stays as it is written: no given value is made of others", "write the whole text where it is used, as \"${NAME}.1\" in steps, given.NAME + \".1\" in expressions")
			}
			return
		}
	}
	d.ReportNode(n, "given "+g.name+" is neither text, a whole number, true or false, nor {random: KIND}", "write one of these")
	g.value = ""
}

// randomKinds draws values. They are harmless wherever they are used: a status
// is never one that means something by itself, a name is a valid host name.
func randomKinds() map[string]func(*rand.Rand) any {
	return map[string]func(*rand.Rand) any{
		"status": func(r *rand.Rand) any { return 3 + r.IntN(122) }, // 125 and above belong to runtimes and signals
		"name":   func(r *rand.Rand) any { return word(r, 3) + fmt.Sprint(r.IntN(90)+10) },
		"iface":  func(r *rand.Rand) any { return "v" + word(r, 2) + fmt.Sprint(r.IntN(900)+100) },
		"subnet": func(r *rand.Rand) any { return fmt.Sprintf("10.%d.%d", 1+r.IntN(250), r.IntN(256)) },
		"port":   func(r *rand.Rand) any { return 20000 + r.IntN(10000) },
		"text":   func(r *rand.Rand) any { return word(r, 2) + " " + word(r, 3) + " " + word(r, 2) },
	}
}

func word(r *rand.Rand, syllables int) string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	var b strings.Builder
	for range syllables {
		b.WriteByte(consonants[r.IntN(len(consonants))])
		b.WriteByte(vowels[r.IntN(len(vowels))])
	}
	return b.String()
}

// values draws the given values of a scenario: they depend on the seed, the
// scenario and their own name alone, and no two drawn ones are equal.
func (s *Scenario) values(seed uint64) map[string]any {
	values := make(map[string]any, len(s.given))
	taken := map[any]bool{}
	for _, g := range s.given {
		values[g.name] = g.value
		for try := 0; g.kind != "" && try < 100; try++ {
			values[g.name] = draw(g.kind, fmt.Sprintf("%d\x00%s\x00%s\x00%d", seed, s.ID, g.name, try))
			if !taken[values[g.name]] {
				break
			}
		}
		taken[values[g.name]] = true
	}
	return values
}

func draw(kind, from string) any {
	sum := sha256.Sum256([]byte(from))
	source := rand.NewPCG(binary.LittleEndian.Uint64(sum[:]), binary.LittleEndian.Uint64(sum[8:]))
	return randomKinds()[kind](rand.New(source))
}

// coerce gives kept values, which JSON has been through, their types again.
func (s *Scenario) coerce(kept map[string]any, seed uint64) map[string]any {
	values := s.values(seed)
	for name, value := range values {
		switch k := kept[name].(type) {
		case float64:
			if _, ok := value.(int); ok {
				values[name] = int(k)
			}
		case int, string, bool:
			if fmt.Sprintf("%T", k) == fmt.Sprintf("%T", value) {
				values[name] = k
			}
		}
	}
	return values
}
