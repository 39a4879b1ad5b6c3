package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// subordinate is how many ids a user gets from usermod(8).
const subordinate = 65536

// addSubIDs gives a user subordinate ids that nobody else of this host has: two users
// with the same ids would be root of each other's files.
func addSubIDs(user string) string {
	var tables []string
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		text, _ := os.ReadFile(file) // there is none before the first user has some
		tables = append(tables, string(text))
	}
	first := freeIDs(tables...)
	ids := fmt.Sprintf("%d-%d", first, first+subordinate-1)
	return "usermod --add-subuids " + ids + " --add-subgids " + ids + " " + user
}

// freeIDs is the first id behind all that tables in the manner of subuid(5) give away.
func freeIDs(tables ...string) int {
	first := 100000 // where distributions begin (SUB_UID_MIN in login.defs(5))
	for _, text := range tables {
		for line := range strings.Lines(text) {
			fields := strings.Split(strings.TrimSpace(line), ":")
			if len(fields) != 3 {
				continue
			}
			from, err := strconv.Atoi(fields[1])
			count, wrong := strconv.Atoi(fields[2])
			if err == nil && wrong == nil {
				first = max(first, from+count)
			}
		}
	}
	return first
}
