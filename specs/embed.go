// Package specs holds the exercises: one YAML file each, the scenarios that
// they share below scenarios/, and the JSON Schema of both for editors. It is
// data; package grader/spec reads it.
package specs

import "embed"

// FS is this folder.
//
//go:embed *.yaml scenarios/*.yaml schema.json
var FS embed.FS
