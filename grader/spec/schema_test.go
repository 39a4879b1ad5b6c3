package spec

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "rewrite specs/schema.json and golden files")

const schemaFile = "../../specs/schema.json"

func TestSchemaIsFresh(t *testing.T) {
	got := Schema()
	if !json.Valid(got) {
		t.Fatal("the schema is no JSON")
	}
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("specs/schema.json is stale; run go test ./grader/spec -run TestSchemaIsFresh -update")
	}
}
